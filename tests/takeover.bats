#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Holds outlive the worker that keeps them: its user may kill it, or it may hang and be ended.

load lib/session-with-users
load lib/own

export PROBEFS_PATIENCE=1

setup() {
    session_begin
    start_server
}

teardown() {
    exec 8>&- 9>&-
    session_end
}

# start_with_hold USER: a target of USER's with a hold on gc_start at descriptor 9; sets worker.
start_with_hold() {
    start_for "$1" demo-ocaml_1 -q
    choose_probe gc_start
    exec 9> "$hold"
    worker=$(workers_of "$server" "$1")
    assert_equal "$(wc -w <<< "$worker")" 1 "workers of $1"
    shows "1 on"
}

# As the user can, of whom the worker is.
kill_worker() {
    run_as "$1" kill -KILL "$worker"
}

@test "closed after its worker was killed: the reference is given back, root's and a user's" {
    for user in root a; do
        start_with_hold "$user"
        kill_worker "$user"
        shows_after_look "1 on"
        exec 9>&-
        shows_after_look "0 off"
        assert_equal "$(cat "$hold" "$folder/enabled" | paste -sd' ')" "0 0"
    done
}

@test "it counts, and leaves the references of others, whenever its worker is killed" {
    start_with_hold a
    echo +1 > "$folder/semaphore"
    exec 8>> "$hold"
    shows_after_look "3 on"
    kill_worker a
    assert_equal "$(cat "$hold")" 2
    shows_after_look "3 on"
    worker=$(workers_of "$server" a)
    kill_worker a
    exec 8>&-
    shows_after_look "2 on"
    assert_equal "$(cat "$hold")" 1
    exec 9>&-
    shows_after_look "1 on"
}

@test "claims that ended before, or end after, stay ended" {
    start_with_hold a
    echo 0 > "$folder/enabled"
    echo +1 > "$folder/semaphore"
    kill_worker a
    assert_equal "$(cat "$hold")" 0
    exec 9>&-
    shows_after_look "1 on"
    exec 9> "$hold"
    worker=$(workers_of "$server" a)
    kill_worker a
    echo 0 > "$mnt/$pid/enabled"
    echo +1 > "$folder/semaphore"
    assert_equal "$(cat "$hold")" 0
    exec 9>&-
    shows_after_look "1 on"
}

@test "a program that was executed meanwhile loses nothing" {
    start_for a execer -q "$(target demo-ocaml_1)" -q
    choose_probe gc_start
    exec 9> "$hold"
    worker=$(workers_of "$server" a)
    kill_worker a
    kill -USR1 "$pid"
    wait_until "[ \$(grep -c '^pid' '$out') = 2 ]"
    wait_until '[ -d "$mnt/$pid/request" ]'
    echo 1 > "$mnt/$pid/gc_start/enabled"
    exec 9>&-
    shows_after_look "1 on"
}

@test "once it was taken over, a SIGKILL of the server releases it" {
    start_with_hold a
    kill_worker a
    assert_equal "$(cat "$hold")" 1
    kill_server "$server"
    wait_until '[ "$(memory_of "$pid" gc_start)" = "0 off" ]'
}

@test "it is taken over as soon as its worker was killed, whoever asks for nothing" {
    for user in root a; do
        start_with_hold "$user"
        targets_held+=("$pid") held=$pid
        kill_worker "$user"
        wait_until 'grep -q "process $held: a hold was taken over" "$log"'
        assert_equal "$(workers_of "$server" "$user" | grep -vcx "$worker")" 1
        [ "$user" = a ] || exec 8>&9
    done
    kill_server "$server"
    for pid in "${targets_held[@]}"; do
        wait_until '[ "$(memory_of "$pid" gc_start)" = "0 off" ]'
    done
}

@test "a worker that does not answer is ended, and its holds are given back" {
    start_with_hold a
    run_as a kill -STOP "$worker"
    wait_until "all_stopped $worker"
    exec 9>&-
    shows_after_look "0 off"
    wait_until "! is_running $worker"
    grep -q "worker $worker .* did not answer" "$log"
}

@test "a worker that its user has stopped releases its holds with the end of the server" {
    start_with_hold a
    run_as a kill -STOP "$worker"
    wait_until "all_stopped $worker"
    kill_server "$server"
    wait_until '[ "$(memory_of "$pid" gc_start)" = "0 off" ]'
    wait_until "! is_running $worker"
}

@test "for root, a hold on a process that its user may not look into" {
    start_for a undumpable -q
    choose_probe gc_start
    exec 9> "$hold"
    shows_after_look "1 on"
    worker=$(workers_of "$server" a)
    kill_worker a
    exec 9>&-
    shows_after_look "0 off"
}
