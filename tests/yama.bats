#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Yama (ptrace_scope 1, as on Ubuntu) lets nobody trace a process but its ancestors and those with
# the capability. The kernel here may have it or not: a preloaded library (targets/yama.c) refuses
# to the workers what it would. In a guest (machines/), it is the kernel's own that refuses.

load lib/session-with-users
load lib/authority
load lib/own

setup() {
    session_begin
    cp "$build/tests/targets/yama.so" "$work/bin"
    # The library has nothing to do with the sanitizer, which would like to be the first.
    export ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"
}

teardown() {
    own_end
    restrict 0
    session_end
}

# restrict SCOPE: the ptrace_scope from here on, for servers that start_restricted starts.
restrict() {
    if [ "${PROBEFS_GUEST:-}" ]; then
        # Never lower than 3 again.
        echo "$1" > /proc/sys/kernel/yama/ptrace_scope || true
        assert_match "$(< /proc/sys/kernel/yama/ptrace_scope)" "[$1"3]
        return
    fi
    preload=$work/bin/yama.so
    export YAMA_SCOPE=$1 YAMA_LOG=$work/yama.log
    touch "$YAMA_LOG"
    chmod 666 "$YAMA_LOG"
}

# start_restricted [OPTION]...: a server.
start_restricted() {
    LD_PRELOAD=${preload:-} start_server "$@"
}

# refusals: how many attempts to trace have left a line in the kernel's log.
refusals() {
    if [ "${PROBEFS_GUEST:-}" ]; then
        dmesg | grep -c 'ptrace attach of .* was attempted' || true
    else
        wc -l < "$YAMA_LOG"
    fi
}

# writes_nothing_as_a TEXT: by no file; the last sentence has TEXT.
writes_nothing_as_a() {
    memory=$(peek "$a")
    for file in enabled control gc_start/enabled gc_start/semaphore gc_start/hold; do
        assert_errno_as a EACCES open-write "$mnt/$a/$file"
        assert_match "$(run_as a tail -n 1 "$mnt/$a/error_log")" "*user $(id -u "$(user_name a)") *\
'$file': EACCES: $1."
    done
    assert_equal "$(peek "$a")" "$memory" "the memory"
}

@test "a user reads all of that user's processes" {
    restrict 1
    start_restricted
    a_and_b
    assert_equal "$(listed_for a | grep -cx "$a")" 1
    echo 1 > "$mnt/$a/gc_start/enabled"
    assert_equal "$(run_as a cat "$mnt/$a/gc_start/enabled" "$mnt/$a/gc_start/semaphore" |
        paste -sd' ')" "1 1"
    assert_equal "$(run_as a cat "$mnt/$a/info" | grep gc_start)" "1 1 $sites_of_demo gc_start"
    sites=$(run_as a cat "$mnt/$a/gc_start/sites")
    if [ "$sites_of_demo" = 0 ]; then
        assert_equal "$sites" ""
    else
        assert_match "$sites" "0x* 1 $work/bin/demo-ocaml_1+*"
    fi
    assert_match "$(run_as a cat "$mnt/$a/control")" '*1 gc_start*'
    assert_equal "$(run_as a cat "$mnt/$a/gc_start/hold")" 0
    assert_equal "$(run_as a readlink "$mnt/$a/exe")" "$work/bin/demo-ocaml_1"
    assert_equal "$(run_as a find "$mnt/$a" -name enabled | wc -l)" 6
}

@test "a user writes nothing, and is told what helps" {
    restrict 1
    start_restricted
    a_and_b
    writes_nothing_as_a "*Yama's ptrace_scope is 1*PR_SET_PTRACER*as root*group*-o gid=*"
}

@test "ptrace_scope 2: users read, and only root writes" {
    restrict 2
    start_restricted
    a_and_b
    assert_equal "$(run_as a cat "$mnt/$a/gc_start/enabled")" 0
    writes_nothing_as_a "*Yama's ptrace_scope is 2: ask as root through a mount of root's*"
    echo 1 > "$mnt/$a/gc_start/enabled"
    assert_equal "$(memory_of "$a" gc_start)" "$on"
}

@test "reading leaves no line in the kernel's log, and neither does what root does" {
    for scope in 1 2; do
        restrict $scope
        start_restricted
        a_and_b
        before=$(refusals)
        for user in root a; do
            run_as $user ls "$mnt" "$mnt/$a" > "$work/out/read"
            run_as $user find "$mnt/$a" -type f -exec cat {} + > "$work/out/read"
        done
        for value in 1 0; do
            echo $value > "$mnt/$a/enabled"
        done
        assert_equal "$(refusals)" "$before" "lines at $scope"
        stop_server "$server" "$mnt"
    done
    # A user who wants to write is refused by the kernel: that line is the user's own.
    restrict 1
    start_restricted
    assert_errno_as a EACCES open-write "$mnt/$a/enabled"
    [ "$(refusals)" -gt "$before" ]
}

@test "engine=ptrace: root's updates stop users' processes" {
    restrict 1
    start_restricted -o engine=ptrace
    start_as a demo-ocaml_1 -q
    target=$pid
    for value in 1 0; do
        echo $value > "$mnt/$target/gc_start/enabled"
        assert_equal "$(state_of "$target" gc_start)" $value
    done
    is_let_go "$target"
    start_command root strace -f -o "$work/trace" -p "$target"
    wait_until "! grep -q '^TracerPid:.0' /proc/$target/status"
    assert_errno EBUSY write "$mnt/$target/gc_start/enabled" 1
    assert_match "$(tail -n 1 "$mnt/$target/error_log")" "*is traced by strace (pid $pid)*"
    assert_equal "$(memory_of "$target" gc_start)" "$off"
}

@test "a user's own mount: error_log says why all else fails" {
    for scope in 1 2; do
        restrict $scope
        LD_PRELOAD=${preload:-} own_start a
        start_as a demo-ocaml_1 -q
        in_own a ls "$own" | grep -qx "$pid"
        for file in enabled gc_start/enabled info; do
            run ! in_own a cat "$own/$pid/$file"
            assert_match "$(in_own a tail -n 1 "$own/$pid/error_log")" \
                "*'$file': EACCES: *Yama's ptrace_scope is $scope*as root through a mount of root's*"
        done
        own_end
        rm -r "$own" "$work/fuse"
        stop "$pid"
    done
}

@test "another user, and one's own process that is not dumpable: refused as ever" {
    restrict 1
    start_restricted
    a_and_b
    refused_for a "$b"
    start_as a undumpable -q
    refused_for a "$pid"
}

@test "root switches all, also what is not dumpable; holds too" {
    restrict 1
    start_restricted
    a_and_b
    start_as a undumpable -q
    start_as b demo-ocaml_1 -q
    start demo-ocaml_1 -q
    for each in "$a" "$b" "$pid"; do
        for value in 1 0; do
            echo $value > "$mnt/$each/gc_start/enabled"
            assert_equal "$(state_of "$each" gc_start)" $value
        done
        exec 9> "$mnt/$each/gc_start/hold"
        assert_equal "$(memory_of "$each" gc_start)" "$on"
        exec 9>&-
        assert_equal "$(state_of "$each" gc_start)" 0
    done
}

@test "members of the group of -o gid= switch all" {
    restrict 1
    start_restricted -o "gid=$(user_name b)"
    a_and_b
    for each in "$a" "$b"; do
        assert_errno_as b OK write "$mnt/$each/gc_start/enabled" 1
        assert_equal "$(memory_of "$each" gc_start)" "$on"
    done
    assert_errno_as a EACCES write "$mnt/$a/gc_start/enabled" 0
}

# The last one: in a guest, this stays until it is booted again.
@test "ptrace_scope 3: nobody reads or writes, root included, and error_log says so" {
    restrict 3
    start_restricted
    start_as a demo-ocaml_1 -q
    ls "$mnt" | grep -qx "$pid"
    for file in enabled gc_start/enabled info; do
        for user in root a; do
            assert_errno_as $user EACCES open-read "$mnt/$pid/$file"
            assert_match "$(run_as $user tail -n 1 "$mnt/$pid/error_log")" \
                "*'$file': EACCES: *ptrace_scope is 3, which forbids it to everybody*"
        done
    done
}
