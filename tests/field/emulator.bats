#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# QEMU's emulators of user programs: what they run has probes that nobody can switch.

load ../lib/field

setup() {
    session_begin
    start_server
}

@test "a program under qemu-user: error_log and probe-run say why its probes are not shown" {
    needs qemu-x86_64
    cp "$(command -v qemu-x86_64)" "$work/bin/qemu-x86_64"
    start_command root "$work/bin/qemu-x86_64" "$(target demo-ocaml_1)" -q
    wait_until 'grep -q "^pid " "$out"' 30
    [ ! -e "$mnt/$pid/gc_start" ]
    assert_match "$(cat "$mnt/$pid/error_log")" "*qemu-x86_64' of process $pid runs a program of another processor*"
    run "$build/probe-run/probe-run" -e gc_start "$work/bin/qemu-x86_64" "$(target demo-ocaml_1)" -q
    assert_equal "$status" 2
    assert_match "$output" "*qemu-x86_64' runs one of another processor, whose probes are not known*"
}
