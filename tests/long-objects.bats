#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: alone
#
# Objects with so many notes that to read them takes longer than a request may: on a slow machine
# (slow-notes/), on which each takes two seconds.

load lib/session-with-users

export PROBEFS_PATIENCE=1

setup() {
    session_begin
    mkdir "$work/forged"
    NOTES=30000 python3 "$tests/targets/forge.py" many-notes "$(target libplug.so)" \
        "$work/forged/many.so"
    chmod -R a+rX "$work/forged"
    cp "$build/tests/slow-notes/slow-notes.so" "$work/bin"
    # A sanitizer's library wants to be the first, where nothing is preloaded.
    SLOW_NOTES=2 ASAN_OPTIONS+=":verify_asan_link_order=0" LD_PRELOAD=$work/bin/slow-notes.so \
        start_server
    start_as a demo-ocaml_1 -q
    other=$pid
    assert_equal "$(state_of "$other" gc_start)" 0
    worker=$(workers_of "$server" a)
}

# start_long USER [OPTION]...: a process whose library takes long. Sets: pid.
start_long() {
    start_as "$1" host -q -i 100000 "${@:2}" "$work/forged/many.so"
}

# The user's other process is served, by the worker that there was at first.
other_is_served() {
    local value
    for value in 1 0; do
        assert_errno OK write "$mnt/$other/gc_start/enabled" $value
        assert_equal "$(state_of "$other" gc_start)" $value
    done
    assert_equal "$(workers_of "$server" a)" "$worker" "the user's worker"
}

nobody_was_ended() {
    assert_equal "$(workers_of "$server" a)" "$worker" "the user's worker"
    assert_equal "$(grep -c 'was ended' "$log")" 0 "workers that were ended"
}

@test "a process with such a library: no answer at first, and then its probes, from the same worker" {
    start_long a -l
    wait_until 'grep -q ^loaded "$out"'
    assert_errno ETIMEDOUT read "$mnt/$pid/plug_hit/enabled"
    other_is_served
    assert_errno ETIMEDOUT read "$mnt/$pid/info"
    other_is_served
    ls "$mnt" | grep -qx "$pid"
    wait_until '[ "$(state_of "$pid" plug_hit)" = 0 ]' 2> /dev/null
    assert_equal "$(probes_of "$pid")" "forged gc_start plug_hit"
    assert_errno_as a OK write "$mnt/$pid/plug_hit/enabled" 1
    assert_equal "$(state_of "$pid" plug_hit)" 1
    nobody_was_ended
}

@test "error_log says why there was no answer" {
    start_long a -l
    wait_until 'grep -q ^loaded "$out"'
    assert_errno ETIMEDOUT read "$mnt/$pid/info"
    wait_until 'assert_errno OK read "$mnt/$pid/info"' > /dev/null
    grep -q 'ETIMEDOUT.* so many notes .* still being read: try again' "$mnt/$pid/error_log"
}

@test "a listing finds out by itself what such a process has" {
    start_long a -l
    wait_until 'grep -q ^loaded "$out"'
    wait_until 'ls "$mnt" | grep -qx "$pid" && ! ls "$mnt/$pid" 2>&1 | grep -q "timed out"'
    wait_until '[ "$(probes_of "$pid")" = "forged gc_start plug_hit" ]'
    nobody_was_ended
}

@test "such a library is loaded: what was known is served on, and a hold ends when it has been read" {
    local found
    start_long a
    choose_probe gc_start
    exec 9> "$hold"
    assert_equal "$(< "$semaphore")" 1
    kill -USR1 "$pid"
    wait_until 'grep -q ^loaded "$out"'
    assert_errno ETIMEDOUT read "$semaphore"
    exec 9>&-
    other_is_served
    wait_until 'found=$(< "$semaphore") && [ "$found" = 0 ]' 2> /dev/null
    shows "0 off"
    wait_until '[ "$(state_of "$pid" plug_hit)" = 0 ]' 2> /dev/null
    nobody_was_ended
}
