#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Authority is what it was when a file was opened: it stays with the open file, wherever that goes,
# and is asked for anew by every open.

load lib/session-with-users
load lib/authority

setup() {
    session_begin
    start_server
    cp "$tests/lib/passing.py" "$work"
    chmod 1777 "$work"
}

# passes FROM TO FILE... -- ACTION...: FROM opens and sends the files, TO acts. Sets: output.
passes() {
    local from=$1 to=$2 files=() socket=$work/socket-$RANDOM
    shift 2
    while [ "$1" != -- ]; do
        files+=("$1")
        shift
    done
    shift
    start_command "$from" python3 "$work/passing.py" send "$socket" "${files[@]}"
    wait_until "grep -q ready '$out' || ! is_running $pid"
    output=$(run_as "$to" python3 "$work/passing.py" receive "$socket" "$@")
}

@test "passed over a socket: it is used as by the one who opened it" {
    a_and_b
    passes b a "$mnt/$b/gc_start/enabled" -- write:0:1 read:0
    assert_equal "$output" "OK OK"
    assert_equal "$(memory_of "$b" gc_start)" "1 on"
    passes root a "$mnt/$b/gc_stop/semaphore" -- write:0:+1 read:0
    assert_equal "$output" "OK OK"
    assert_equal "$(memory_of "$b" gc_stop)" "1 on"
}

@test "passed over a socket, and opened again: as the one who opens" {
    a_and_b
    passes b a "$mnt/$b/gc_start/enabled" "$mnt/$b" "$mnt/$b/gc_start" -- \
        open-read:0 open-write:0 reopen:0 list:1 open-read:1 \
        open-in:1:enabled open-in:1:info open-in:2:enabled open-in:2:sites
    assert_equal "$output" "EACCES EACCES EACCES OK EACCES EACCES EACCES EACCES EACCES"
    passes a b "$mnt" -- list:0 open-in:0:README "open-in:0:$a" "open-in:0:$b"
    assert_equal "$output" "OK OK EACCES OK"
    assert_equal "$(memory_of "$b" gc_start)" "0 off"
}

@test "/proc/self/fd and /dev/fd of one's own: an open like any other" {
    a_and_b
    pid=$a
    shell_as a 'exec 5< "$mnt/$pid/gc_start/enabled" && echo 1 > /proc/self/fd/5 && cat /dev/fd/5' \
        > "$work/read"
    assert_equal "$(cat "$work/read")" 1
    exec 5<> "$mnt/$b/gc_start/enabled"
    for action in open-read open-write; do
        assert_errno_as a EACCES $action /proc/self/fd/5
        assert_errno_as b OK $action /proc/self/fd/5
        assert_errno OK $action /proc/self/fd/5
    done
    exec 5<&-
}

@test "inherited over setuid, setgid and exec: root's open file stays root's" {
    a_and_b
    exec 5<> "$mnt/$b/gc_start/enabled" 6< "$mnt/$b/gc_start" 7< "$mnt/$b/error_log"
    assert_errno_as a OK write @5 1
    assert_errno_as a OK read @5
    assert_errno_as a OK list @6
    assert_errno_as a OK read @7
    # What a new open would ask for is another matter.
    assert_errno_as a EACCES write "$mnt/$b/gc_start/enabled" 1
    assert_errno_as a EACCES open-read /proc/self/fd/6/enabled
    exec 5<&- 6<&- 7<&-
    assert_equal "$(memory_of "$b" gc_start)" "1 on"
}

# The first reading is of the opening's listing; each that begins anew, of one that is made for it.
@test "a directory that is read again shows what its opener may see, who has ended" {
    a_and_b
    passes root a "$mnt" "$mnt/$b" "$mnt/$b/gc_start" -- \
        gone:0 "has:0:$b" "has:0:$b" "has:0:$a" has:1:gc_start has:1:gc_start has:2:sites has:2:sites
    assert_equal "$output" "OK OK OK OK OK OK OK OK"
    passes a root "$mnt" -- gone:0 "has:0:$b" "has:0:$b" "has:0:$a" "has:0:$a"
    assert_equal "$output" "OK ENOENT ENOENT OK OK"
}

@test "a hold that was passed on lasts until its last descriptor is closed" {
    a_and_b
    exec 8> "$mnt/$b/gc_start/hold"
    start_command a sleep 60
    holder=$pid
    exec 8>&-
    look "$b"
    assert_equal "$(memory_of "$b" gc_start)" "1 on"
    stop "$holder"
    assert_equal "$(cat "$mnt/$b/gc_start/hold")" 0
    assert_equal "$(memory_of "$b" gc_start)" "0 off"
}
