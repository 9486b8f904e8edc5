#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Counting how often probes fire.

load lib/session-with-users
load lib/streams

setup() {
    session_begin
    start_server
}

@test "a probe is counted from 0 on, exactly, over threads that come and go" {
    shoot 8 20000
    assert_equal "$(< "$shot/hits")" "-"
    assert_equal "$(< "$mnt/$pid/hits")" ""
    assert_equal "$(peek "$pid")" "$memory_before" "reading starts nothing"
    echo 1 >"$shot/hits"
    assert_equal "$(< "$shot/hits")" 0
    assert_equal "$(memory_of "$pid" shot)" "1 trap"
    assert_errno EBUSY write "$shot/enabled" 0
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
        "*probe 'burst:shot'*: its hits are counted (0 written to hits ends that); end that first, *"
    fire
    assert_equal "$(< "$shot/hits")" 160000
    assert_equal "$(< "$mnt/$pid/hits")" "160000 burst:shot"
    echo 1 >"$shot/hits"
    assert_equal "$(< "$shot/hits")" 0
    echo 0 >"$shot/hits"
    assert_equal "$(< "$shot/hits")" "-"
    is_as_before
}

@test "the main thread ends while its process is known and counted: all goes on" {
    start threads -i 5 2
    echo 1 >"$mnt/$pid/gc_start/hits"
    watch_stream "$mnt/$pid/gc_stop/trace"
    before=$(< "$mnt/$pid/gc_start/hits")
    kill -USR2 "$pid"
    wait_until "grep -q '^State:.Z' /proc/$pid/status"
    # The worker looks again by itself, and first: a request would open the process anew. (What ends
    # a thread is a library that is loaded then.)
    sleep 1.5
    assert_equal "$(probes_of "$pid")" "gc_start gc_stop"
    assert_equal "$(readlink "$mnt/$pid/exe")" "$work/bin/threads"
    ((before > 0 && $(< "$mnt/$pid/gc_start/hits") > before + 100))
    echo 1 >"$mnt/$pid/gc_start/enabled"
    assert_equal "$(state_of "$pid" gc_start)" 1
    seen=$(firings | wc -l)
    wait_until '[ "$(firings | wc -l)" -gt $((seen + 10)) ]'
}

@test "hits of a process: all, or some by their names; most first, zeros too" {
    shoot 1 7
    echo 1 >"$mnt/$pid/hits"
    assert_equal "$(< "$mnt/$pid/hits")" "$(printf '0 burst:named\n0 burst:shot')"
    fire
    assert_equal "$(< "$mnt/$pid/hits")" "$(printf '7 burst:shot\n0 burst:named')"
    # What is taken out is let go of, and the rest counts on.
    echo '0 *named' >"$mnt/$pid/hits"
    assert_equal "$(< "$mnt/$pid/hits")" "7 burst:shot"
    wait_until '[ "$(memory_of "$pid" named)" = "0 nop" ]'
    assert_equal "$(memory_of "$pid" shot)" "1 trap"
    echo '1 ~named$' >"$mnt/$pid/hits"
    assert_equal "$(< "$mnt/$pid/burst:named/hits")" 0
    echo 0 >"$mnt/$pid/hits"
    is_as_before
    assert_errno ENOENT write "$mnt/$pid/hits" '1 nothing_*\n'
}

# many_hits COUNT: each probe of a program with so many is counted by a write of its own.
many_hits() {
    local file before
    before=$(holders)
    start_many "$1"
    for file in "$mnt/$pid"/probe_*/hits; do
        echo 1 >"$file"
    done
    wait_until "[ \$(holders) = $((before + $1)) ]"
}

# ends_in FILE...: ends what they count. Sets REPLY: how long that took, in microseconds.
ends_in() {
    local file start=${EPOCHREALTIME/./}
    for file; do
        echo 0 >"$file"
    done
    REPLY=$((${EPOCHREALTIME/./} - start))
}

@test "an end of all that many writes began is one wait, and no other stream of the user ends" {
    shoot 1 3
    watch_stream "$shot/trace"
    local shooter=$pid shots=$out
    many_hits 120
    ends_in "$mnt/$pid"/probe_0000[0-2]/hits
    local three=$REPLY
    ends_in "$mnt/$pid/hits"
    # One after the other, they take 39 times as long as three.
    [ "$REPLY" -lt $((20 * three)) ]
    assert_equal "$(< "$mnt/$pid/hits")" ""
    wait_until "[ \$(holders) = 1 ]"
    pid=$shooter out=$shots
    fire
    adds_up 3
    end_reader
}

@test "a user's counts take no more of the kernel's memory than a user may have, and root's go on" {
    local file counted=0 answer=OK
    mkdir "$work/small"
    start_server_at root "$work/small" -o trace=users,user_memory=2
    start_as a many-1000 -q
    for file in "$work/small/$pid"/probe_00[0-9]*/hits; do
        answer=$(run_as a "$work/errno-of" write "$file" 1)
        [ "$answer" = OK ] || break
        counted=$((counted + 1))
    done
    assert_equal "$answer" ENOMEM
    [ "$counted" -ge 8 ] && [ "$counted" -le 32 ]
    grep -q 'ENOMEM.* more of the kernel.s memory' "$work/small/$pid/error_log"
    assert_errno OK write "$file" 1
    assert_errno_as a OK write "$work/small/$pid/hits" 0
    wait_until 'assert_errno_as a OK write "$file" 1'
}

@test "a part of many taken out: the rest is counted on, by one watch" {
    many_hits 8
    echo '0 probe_00003' >"$mnt/$pid/hits"
    assert_equal "$(wc -l <"$mnt/$pid/hits")" 7
    wait_until "[ \$(holders) = 7 ]"
    echo 1 >"$mnt/$pid/hits"
    echo '0 probe_0000[1-3]' >"$mnt/$pid/hits"
    assert_equal "$(< "$mnt/$pid/hits")" \
        "$(printf '0 probe_0000%d\n' 0 4 5 6 7)"
}

@test "10,000 probes: some ended, and all begun anew" {
    start_many 10000
    echo 1 >"$mnt/$pid/hits"
    echo '0 probe_0999*' >"$mnt/$pid/hits"
    assert_equal "$(wc -l <"$mnt/$pid/hits")" 9990
    echo 1 >"$mnt/$pid/hits"
    assert_equal "$(wc -l <"$mnt/$pid/hits")" 10000
    echo 1 >"$mnt/$pid/hits"
    echo 0 >"$mnt/$pid/hits"
    assert_equal "$(< "$mnt/$pid/hits")" ""
}

@test "0 takes no new references: the rest is counted on, where its semaphores are full" {
    start sdt
    echo 32763 >"$mnt/$pid/web:request_done/semaphore"
    remember
    echo 1 >"$mnt/$pid/hits"
    assert_equal "$(< "$mnt/$pid/web:request_done/semaphore")" 32766
    echo '0 web:query' >"$mnt/$pid/hits"
    assert_equal "$(< "$mnt/$pid/web:query/hits")" "-"
    assert_match "$(< "$mnt/$pid/web:request_done/hits")" "[0-9]*"
    assert_equal "$(< "$mnt/$pid/web:request_done/semaphore")" 32766
    wait_until "[ \"\$(memory_of '$pid' query)\" = '0 nop' ]"
    echo 0 >"$mnt/$pid/hits"
    is_as_before
    # Where a new reference is needed, nothing has begun.
    echo 32764 >"$mnt/$pid/web:request_done/semaphore"
    remember
    assert_errno ERANGE write "$mnt/$pid/hits" 1
    assert_equal "$(< "$mnt/$pid/hits")" ""
    is_as_before
}

# host_moves: sets rounds and count, of a moment at which the process stands still.
host_moves() {
    pause_process "$pid"
    rounds=$(lines_of '^gc_start: round')
    count=$(< "$mnt/$pid/gc_start/hits")
    kill -CONT "$pid"
}

# counts_twice: each round fires in the program and in the library. A round may be cut in two.
counts_twice() {
    local rounds count before hits
    host_moves
    before=$rounds hits=$count
    wait_until "[ \$(lines_of '^gc_start: round') -gt $((before + 20)) ]" 30
    host_moves
    local expected=$((2 * (rounds - before))) got=$((count - hits))
    ((got >= expected - 2 && got <= expected + 2)) || {
        echo "$got firings in $((rounds - before)) rounds"
        return 1
    }
}

@test "a site that is loaded later is counted, too: after a while, or at once where 1 is written" {
    start host -i 10 "$(target libplug.so)"
    echo 1 >"$mnt/$pid/gc_start/enabled"
    echo 1 >"$mnt/$pid/gc_start/hits"
    kill -USR1 "$pid"
    wait_until "grep -q '^loaded' '$out'"
    wait_until "[ \$(holders) = 2 ]"
    counts_twice
    stop "$pid"
    start host -i 10 "$(target libplug.so)"
    echo 1 >"$mnt/$pid/gc_start/enabled"
    echo 1 >"$mnt/$pid/hits"
    kill -USR1 "$pid"
    wait_until "grep -q '^loaded' '$out'"
    echo 1 >"$mnt/$pid/hits"
    counts_twice
    grep ' plug_hit$' "$mnt/$pid/hits"
    echo 0 >"$mnt/$pid/hits"
    wait_until "[ \$(holders) = 0 ]"
}

@test "what is no value is EINVAL, and changes nothing" {
    shoot 1 1
    local text
    for text in '' 2 '+1' '1x' '1\n1\n' ' 1' '1 ~('; do
        assert_errno EINVAL write "$mnt/$pid/hits" "$text" || [ -z "$text" ]
    done
    assert_errno EINVAL write "$shot/hits" '1 burst:shot\n'
    assert_equal "$(peek "$pid")" "$memory_before"
}

@test "counting ends with the program, and with the worker, which leaves nothing" {
    shoot -e 1 3
    echo 1 >"$shot/hits"
    fire
    kill -USR1 "$pid"
    wait_until "[ ! -e '$shot/hits' ] || [ \"\$(< '$shot/hits')\" = - ]" 20
    shoot 1 3
    echo 1 >"$shot/hits"
    kill -KILL "$(workers_of "$server" | head -n 1)"
    is_as_before
    assert_equal "$(< "$shot/hits")" "-"
    echo 1 >"$shot/hits"
    kill_server "$server"
    is_as_before
    umount -l "$mnt"
}

@test "what counts a process that has ended, or executes another, goes though nobody asks" {
    shoot 1 3
    echo 1 >"$shot/hits"
    wait_until "[ \$(holders) = 1 ]"
    stop "$pid"
    wait_until "[ \$(holders) = 0 ]"
    shoot -e 1 3
    echo 1 >"$shot/hits"
    fire
    kill -USR1 "$pid"
    wait_until "[ \$(holders) = 0 ]"
}

@test "who may count: not a user, unless trace=users says so" {
    start_as a burst -w 1 5
    assert_errno_as a EPERM write "$mnt/$pid/hits" 1
    stop_server "$server" "$mnt"
    start_server -o trace=users
    assert_errno_as a OK write "$mnt/$pid/hits" 1
    assert_errno_as c EACCES write "$mnt/$pid/hits" 1
    kill -USR1 "$pid"
    wait_until "[ \"\$(shell_as a 'cat \"\$mnt/\$pid/burst:shot/hits\"')\" = 5 ]"
}

@test "a site that is loaded later is counted where the process was lent" {
    start_as a host -u -i 10 "$(target libplug.so)"
    echo 1 >"$mnt/$pid/gc_start/hits"
    kill -USR1 "$pid"
    wait_until "grep -q '^loaded' '$out'"
    wait_until "[ \$(holders) = 2 ]"
    # The kernel's names are old by now: the server asks for the process anew.
    sleep 1.5
    ls "$mnt" "$mnt/$pid" >/dev/null
    assert_match "$(< "$mnt/$pid/gc_start/hits")" "[1-9]*"
    echo 0 >"$mnt/$pid/gc_start/hits"
    assert_equal "$(< "$mnt/$pid/gc_start/hits")" "-"
    wait_until "[ \$(holders) = 0 ]"
}
