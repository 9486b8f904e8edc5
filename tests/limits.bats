#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What runs out: descriptors, the log's disk, patience with 10,000 open files. (Memory is in the unit
# test `faults`.) Whatever fails says so by an errno, and works again when there is enough.

load lib/session-with-users

teardown() {
    [ ! -e "$work/small/log" ] || cp "$work/small/log" "$work/out/log"
    session_end
}

all_works() {
    for value in 1 0; do
        assert_errno OK write "$mnt/$pid/gc_start/enabled" $value
        assert_equal "$(state_of "$pid" gc_start)" $value
    done
    wait_until 'ls "$mnt" | grep -qx "$pid"'
}

count_descriptors() {
    ls "/proc/$1/fd" | wc -l
}

# without_descriptors PID: it, and whom it starts, gets no descriptor more from here on.
without_descriptors() {
    prlimit --pid "$1" --nofile="$(($(ls "/proc/$1/fd" | sort -n | tail -n 1) + 1)):"
}

with_descriptors() {
    prlimit --pid "$1" --nofile="$(prlimit --pid "$1" --nofile --noheadings --output HARD |
        tr -d ' '):"
}

everything_fails_or_works() {
    local file
    for file in enabled info control error_log gc_start/enabled gc_start/semaphore gc_start/sites; do
        assert_match "$(errno_of read "$mnt/$pid/$file")" '@(OK|EMFILE|ENOENT|EIO|ENOMEM)' "$file"
    done
    for file in enabled gc_start/enabled gc_start/hold; do
        assert_match "$(errno_of open-write "$mnt/$pid/$file")" '@(OK|EMFILE|ENOENT|EIO)' "$file"
    done
    assert_match "$(errno_of write "$mnt/$pid/gc_start/enabled" 1)" '@(OK|EMFILE|ENOENT|EIO)'
    assert_match "$(errno_of list "$mnt")" '@(OK|EMFILE|EIO)' "listing"
}

@test "a server without descriptors answers with errnos, and works again when it gets some" {
    start_server
    start demo-ocaml_1 -q
    all_works
    before=$(count_descriptors "$server")
    without_descriptors "$server"
    for _ in 1 2 3; do everything_fails_or_works; done
    is_running "$server"
    with_descriptors "$server"
    all_works
    # It keeps some for the processes of other suites, too, which come and go.
    [ "$(count_descriptors "$server")" -le $((before + 150)) ]
}

@test "a worker without descriptors refuses holds, and keeps those that it has" {
    ulimit -n 64
    start_server
    start_as a demo-ocaml_1 -q
    cp "$tests/lib/hold_until_refused.py" "$work"
    run_as a python3 "$work/hold_until_refused.py" "$mnt/$pid/gc_start"
    is_running "$server"
    wait_until '[ "$(< "$mnt/$pid/gc_start/semaphore")" = 0 ]'
    all_works
}

@test "the disk of the log is full" {
    mkdir "$work/small"
    mount -t tmpfs -o size=4k none "$work/small"
    program=$(server_program)
    "$program" -f -o log=debug "$mnt" 2> "$work/small/log" > /dev/null < /dev/null 3>&- &
    server=$!
    servers+=("$server")
    mounts+=("$mnt")
    wait_until "is_mounted '$mnt'"
    head -c 8192 /dev/zero >> "$work/small/log" 2> /dev/null || true
    run -1 bash -c "echo more >> '$work/small/log'"
    start_as a demo-ocaml_1 -q
    for _ in {1..20}; do
        assert_errno EINVAL write "$mnt/$pid/enabled" garbage
    done
    assert_equal "$(grep -c garbage "$mnt/$pid/error_log")" 20
    all_works
}

@test "10,000 open files: no descriptor for each, little memory, and nothing left when they close" {
    start_server
    start demo-ocaml_1 -q
    all_works
    python3 "$tests/lib/open_many.py" "$mnt/$pid" "$server" > "$work/out/open.py" 2>&1
    all_works
}

@test "300 holds by one process: each is counted, and taken away" {
    start_server
    start_as a demo-ocaml_1 -q
    run_as a python3 - "$mnt/$pid/gc_start" << 'EOF'
import os, sys
fds = [os.open(sys.argv[1] + "/hold", os.O_WRONLY) for _ in range(300)]
with open(sys.argv[1] + "/semaphore") as file:
    assert file.read() == "300\n"
EOF
    assert_equal "$(< "$mnt/$pid/gc_start/semaphore")" 0
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

# Open until it fails, of a file that needs no worker to stay open. Says how many, and the errno.
hoard_files() {
    cp "$tests/lib/hoard_files.py" "$work"
    run_as a python3 -I -S "$work/hoard_files.py" "$1"
}

@test "a user may have 16,384 files open: then that user gets EMFILE, and nobody else" {
    start_server
    ulimit -n 20000
    start_as a demo-ocaml_1 -q
    hoard_files "$mnt/$pid/info" > "$work/first" &
    adopt $!
    wait_until '[ -s "$work/first" ]' 60
    assert_equal "$(cat "$work/first")" "16384 EMFILE"
    wait "$!"
    # All is given back with the end of who had it, and says why it was not enough.
    grep -q "user $(id -u "$(user_name a)") has 16384 files and directories of this mount open" \
        "$mnt/$pid/error_log"
    assert_equal "$(hoard_files "$mnt/$pid/info")" "16384 EMFILE"
    all_works
}

@test "what a user may have is an option: so many files, then that user gets EMFILE" {
    start_server -o user_files=100,user_memory=1,user_requests=8
    start_as a demo-ocaml_1 -q
    assert_equal "$(hoard_files "$mnt/$pid/info")" "100 EMFILE"
    grep -q "user $(id -u "$(user_name a)") has 100 files and directories of this mount open" \
        "$mnt/$pid/error_log"
    all_works
}

# What a user may set of a process of that user's, the own worker too: it gets no file, no memory, no
# thread, and no time more.
@test "a user who takes all from the own worker: listed as before, and nobody else notices" {
    start_server
    start_as b demo-ocaml_1 -q
    others=$pid
    start_as a demo-ocaml_1 -q
    kinds=(--nofile=3:3 --nproc=1:1 --cpu=0:0)
    # A sanitizer reports it where it gets no memory for itself.
    is_sanitized || kinds+=("--as=1:1 --data=1:1 --nproc=1:1")
    for limits in "${kinds[@]}"; do
        wait_until 'run_as a ls "$mnt" | grep -qx "$pid" && worker=$(workers_of "$server" a) && [ "$worker" ]'
        # shellcheck disable=SC2086 # several words
        run_as a prlimit --pid "$worker" $limits
        for _ in 1 2; do
            ls "$mnt" > "$work/listing"
            grep -qx "$pid" "$work/listing"
            grep -qx "$others" "$work/listing"
            assert_match "$(errno_of read "$mnt/$pid/gc_start/enabled")" \
                '@(OK|EMFILE|ENOMEM|EIO|EAGAIN|ETIMEDOUT)' "$limits"
            assert_errno OK write "$mnt/$others/gc_start/enabled" 1
        done
        run_as a kill -KILL "$worker" || true
        wait_until '! is_running "$worker"'
    done
    wait_until '[ "$(errno_of write "$mnt/$pid/gc_start/enabled" 1)" = OK ]'
}
