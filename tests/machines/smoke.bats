#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What works on every kernel: each file of the tree as root, as the process's user and as a stranger,
# with both engines; holds; probe-run; watching. Run in a guest (README.md), but it also passes
# outside of one.

load ../lib/session-with-users
load ../lib/authority
load ../lib/programs

# Where Yama restricts tracing, users may look at what is theirs, and not switch it.
yama_scope() {
    cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0
}

# reads_all USER PID: every file that can be read, as the tree is walked.
reads_all() {
    run_as "$1" find "$mnt/$2" -type f -exec cat {} + > "$work/out/read"
    [ "$(run_as "$1" find "$mnt/$2" -type f | wc -l)" -ge 20 ]
    assert_equal "$(run_as "$1" readlink "$mnt/$2/exe")" "$work/bin/demo-ocaml_1"
}

# refused_everywhere USER PID: by each file, and by the directory.
refused_everywhere() {
    local files
    files=$(cd "$mnt/$2" && find . -type f)
    # shellcheck disable=SC2016 # evaluated by that user
    run_as "$1" sh -c '
        while read -r file; do
            ! read -r line < "$1/$file" && ! echo 1 > "$1/$file" || exit 1
        done
        ! ls "$1"' sh "$mnt/$2" <<< "$files" 2>/dev/null
}

# switches_all USER PID: by each file that can be written.
switches_all() {
    local as probe=$mnt/$2/gc_start
    as "$1"
    "${as[@]}" sh -ec '
        echo 1 > "$1/enabled"; [ "$(cat "$1/enabled")" = 1 ]
        echo +1 > "$1/semaphore"; [ "$(cat "$1/semaphore")" = 2 ]
        echo -1 > "$1/semaphore"
        echo 0 > "$1/enabled"; [ "$(cat "$1/enabled")" = 0 ]
        exec 9> "$1/hold"; [ "$(cat "$1/semaphore")" = 1 ]; exec 9>&-
        [ "$(cat "$1/semaphore")" = 0 ]
        echo 1 > "$1/../enabled"; [ "$(cat "$1/../enabled")" = 1 ]
        echo "0 *" > "$1/../control"; [ "$(cat "$1/../enabled")" = 0 ]
        echo "1 gc_*" > "$1/../control"; [ "$(cat "$1/enabled")" = 1 ]
    ' sh "$probe"
    assert_equal "$(memory_of "$2" gc_start)" "$on" "the memory, switched by $1"
    echo 0 > "$mnt/$2/enabled"
    assert_equal "$(memory_of "$2" gc_start)" "$off"
    is_let_go "$2"
}

works_with() {
    start_server -o "engine=$1"
    start demo-ocaml_1 -q
    own=$pid
    a_and_b
    for each in $own $a $b; do
        reads_all root "$each"
        switches_all root "$each"
    done
    reads_all a "$a"
    if [ "$(yama_scope)" = 0 ]; then
        switches_all a "$a"
    else
        run_as a sh -c '! echo 1 > "$1/enabled"' sh "$mnt/$a" 2>/dev/null
        assert_match "$(run_as a tail -n 1 "$mnt/$a/error_log")" "*Yama's ptrace_scope is*"
    fi
    for each in $own $b; do
        memory=$(peek "$each")
        refused_everywhere a "$each"
        assert_equal "$(peek "$each")" "$memory" "the memory of $each"
    done
}

@test "every file as root, owner and stranger: engine=vm" {
    works_with vm
}

@test "every file as root, owner and stranger: engine=ptrace" {
    works_with ptrace
}

@test "a handler's output starts and stops, and a stopped process stays stopped" {
    start_server
    start demo-ocaml_1
    is_silent '^gc_start'
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    echo 0 > "$mnt/$pid/gc_start/enabled"
    is_silent '^gc_start'
    stays_stopped
}

@test "processes that are not dumpable: root's, and nobody else's" {
    start_server
    start_as a undumpable -q
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "$on"
    refused_everywhere a "$pid"
}

@test "processes that end and exec, listings, a killed server's holds" {
    start_server
    start demo-ocaml_1 -q
    grep -qx "$pid" <<< "$(ls "$mnt")"
    exec 8> "$mnt/$pid/gc_start/hold"
    assert_equal "$(memory_of "$pid" gc_start)" "$on"
    kill_server "$server"
    wait_until '[ "$(memory_of "$pid" gc_start)" = "$off" ]'
    exec 8>&- || true
    umount -l "$mnt"
    start_server
    exec 9< "$mnt/$pid/enabled"
    stop "$pid"
    assert_errno ESRCH read @9
    assert_errno ENOENT list "$mnt/$pid"
}

@test "probe-run: on before the first instruction, as root and as a user" {
    prepare_programs
    for user in root a; do
        start_command "$user" "$probe_run" -e gc_start -- "$(target demo-ocaml_1)"
        wait_until 'grep -q "^gc_start" "$out"'
        assert_equal "$(memory_of "$pid" gc_start)" "$on"
        assert_equal "$(memory_of "$pid" gc_stop)" "$off"
    done
    has_status 2 "$probe_run" -e no_such_probe -- "$(target demo-ocaml_1)"
}

# Linux 5.15 or later?
can_watch() {
    printf '5.15\n%s\n' "$(uname -r)" | sort -VC
}

# An older kernel cannot, and the tree says so.
says_why_it_cannot_watch() {
    start_server
    assert_errno EOPNOTSUPP read-stream "$mnt/$pid/burst:shot/trace"
    assert_errno EOPNOTSUPP write "$mnt/$pid/hits" 1
    assert_equal "$(grep -c "cannot run what watching probes needs: .* (Linux 5.15 and later can)" \
        "$mnt/$pid/error_log")" 2
    assert_equal "$(peek "$pid")" "$memory" "what is left behind"
}

@test "watching: a line for each firing, and nothing is left behind; or why this kernel cannot" {
    start burst -w 2 300
    memory=$(peek "$pid")
    if ! can_watch; then
        says_why_it_cannot_watch
        return
    fi
    cp "$targets/watcher" "$work/bin"
    "$work/bin/watcher" "$pid" burst:shot > "$work/out/trace" 2> "$work/out/trace.err" 3>&- &
    watch=$!
    adopt "$watch"
    wait_until "grep -q ^watching '$work/out/trace.err' || ! kill -0 $watch"
    kill -USR1 "$pid"
    wait_until "grep -q ^shots '$out'" 60
    kill -TERM "$watch"
    wait "$watch"
    lost=$(awk '$1 == "#" && $2 == "lost" { sum += $3 } END { print sum + 0 }' "$work/out/trace")
    assert_equal "$(($(grep -c ' burst:shot [01] [0-9]*$' "$work/out/trace") + lost))" 600
    assert_equal "$(peek "$pid")" "$memory" "what is left behind"
}
