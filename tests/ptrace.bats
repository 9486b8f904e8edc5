#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# engine=ptrace: all threads are stopped for an update, and let go as they were.

load lib/session

setup() {
    session_begin
    start_server -o engine=ptrace
}

teardown() {
    session_end
}

@test "a probe is switched on and off" {
    start demo-ocaml_1
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 e8"
    says '^gc_start'
    echo 0 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 3d"
    is_silent '^gc_start'
}

@test "64 threads, which end and are created all the time: each update is done" {
    start threads -c -i 2 64
    for _ in 1 2 3 4 5; do
        echo 1 > "$mnt/$pid/enabled"
        assert_equal "$(cat "$mnt/$pid/enabled")" 1
        echo 0 > "$mnt/$pid/enabled"
        assert_equal "$(cat "$mnt/$pid/enabled")" 0
    done
    tell USR1 '^totals .* wrong=0'
}

@test "a stopped process stays stopped" {
    start demo-ocaml_1
    kill -STOP "$pid"
    wait_until "grep -q '^State:.T' /proc/$pid/status"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 e8"
    grep -q '^State:.T' "/proc/$pid/status"
    kill -CONT "$pid"
    says '^gc_start'
}

@test "traced by strace: EBUSY, which names it; and nothing is changed" {
    start demo-ocaml_1
    target=$pid
    start_command root strace -o /dev/null -p "$target"
    wait_until "! grep -q '^TracerPid:.0' /proc/$target/status"
    assert_errno EBUSY write "$mnt/$target/gc_start/enabled" 1
    assert_match "$(tail -n 1 "$mnt/$target/error_log")" "*is traced by strace (pid $pid)*"
    assert_equal "$(memory_of "$target" gc_start)" "0 3d"
}

@test "a thread in vfork: ETIMEDOUT, nothing is changed, nobody is left stopped" {
    start vforker -t /bin/true
    adopt "$(sed -n 's/^child //p' "$out")"
    assert_errno ETIMEDOUT write "$mnt/$pid/gc_start/enabled" 1
    assert_equal "$(memory_of "$pid" gc_start)" "0 3d"
    assert_equal "$(cat "$mnt/$pid/gc_start/enabled")" 0
    for task in /proc/"$pid"/task/*; do
        grep -q '^TracerPid:.0' "$task/status"
        ! grep -q '^State:.[tT]' "$task/status" || return 1
    done
}
