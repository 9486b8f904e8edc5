#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Yama (ptrace_scope 1, as on Ubuntu) lets nobody trace a process but its ancestors and those with
# the capability. The kernel here may have it or not: a preloaded library (targets/yama.c) refuses
# to the workers what it would.

load lib/session-with-users
load lib/authority

setup() {
    session_begin
    cp "$build/tests/targets/yama.so" "$work/bin"
    # The library has nothing to do with the sanitizer, which would like to be the first.
    export ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"
    LD_PRELOAD=$work/bin/yama.so start_server
}

@test "a user reads all of that user's processes" {
    a_and_b
    assert_equal "$(listed_for a | grep -cx "$a")" 1
    echo 1 > "$mnt/$a/gc_start/enabled"
    assert_equal "$(run_as a cat "$mnt/$a/gc_start/enabled" "$mnt/$a/gc_start/semaphore" |
        paste -sd' ')" "1 1"
    assert_equal "$(run_as a cat "$mnt/$a/info" | grep gc_start)" "1 1 1 gc_start"
    assert_match "$(run_as a cat "$mnt/$a/gc_start/sites")" "0x* 1 $work/bin/demo-ocaml_1+*"
    assert_match "$(run_as a cat "$mnt/$a/control")" '*1 gc_start*'
    assert_equal "$(run_as a cat "$mnt/$a/gc_start/hold")" 0
    assert_equal "$(run_as a readlink "$mnt/$a/exe")" "$work/bin/demo-ocaml_1"
    assert_equal "$(run_as a find "$mnt/$a" -name enabled | wc -l)" 6
}

@test "a user writes nothing, and is told what helps" {
    a_and_b
    memory=$(peek "$a")
    for file in enabled control gc_start/enabled gc_start/semaphore gc_start/hold; do
        assert_errno_as a EACCES open-write "$mnt/$a/$file"
        assert_match "$(run_as a tail -n 1 "$mnt/$a/error_log")" "*user $(id -u "$(user_name a)") *\
'$file': EACCES: *Yama's ptrace_scope is 1*PR_SET_PTRACER*as root*group*-o gid=*."
    done
    assert_equal "$(peek "$a")" "$memory" "the memory"
}

@test "another user, and one's own process that is not dumpable: refused as ever" {
    a_and_b
    refused_for a "$b"
    start_as a undumpable -q
    refused_for a "$pid"
}

@test "root switches all, also what is not dumpable; holds too" {
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
        assert_equal "$(memory_of "$each" gc_start)" "1 on"
        exec 9>&-
        assert_equal "$(state_of "$each" gc_start)" 0
    done
}

@test "members of the group of -o gid= switch all" {
    mkdir "$work/mnt2"
    LD_PRELOAD=$work/bin/yama.so start_server_at root "$work/mnt2" -o "gid=$(user_name b)"
    mnt=$work/mnt2
    a_and_b
    for each in "$a" "$b"; do
        assert_errno_as b OK write "$mnt/$each/gc_start/enabled" 1
        assert_equal "$(memory_of "$each" gc_start)" "1 on"
    done
    assert_errno_as a EACCES write "$mnt/$a/gc_start/enabled" 0
}
