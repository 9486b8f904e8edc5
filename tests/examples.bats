#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The programs in examples/: each is built by the commands that its README shows, and does what it
# says there. library.bats has `switch`.

load lib/session
load lib/library

setup() {
    session_begin
}

# example NAME: copies its folder, and runs the `cc` commands of its README there. Warnings are
# errors, and what uses the library is compiled like the library.
example() {
    cp -r "$tests/../examples/$1" "$work"
    export PATH=$work/cc:$PATH
    mkdir -p "$work/cc"
    cat >"$work/cc/cc" <<END
#!/bin/bash
case " \$* " in
*" -lprobe-engine "*) set -- "\$@" ${flags[*]} ;;
esac
exec "$(command -v "${CC:-gcc}")" -Wall -Wextra -Werror "\$@"
END
    chmod +x "$work/cc/cc"
    sed -n 's/^    \(cc .*\)/\1/p' "$work/$1/README.md" >"$work/commands"
    [ -s "$work/commands" ]
    (cd "$work/$1" && bash -e "$work/commands")
}

@test "states: the states, counters and sites of all probes" {
    install_copy
    example states
    export LD_LIBRARY_PATH=$library
    start demo-ocaml_1 -q
    run -0 "$work/states/states" "$pid"
    assert_equal "$output" $'1 1 1 boot\n0 0 1 gc_start\n0 0 1 gc_stop\n0 0 1 idle\n0 0 3 request'
    peek "$pid" poke "$(counter_of "$pid" gc_start)" 0300
    run -0 "$work/states/states" "$pid"
    assert_equal "${lines[1]}" "X 3 1 gc_start"
    run -1 "$work/states/states" 4194304
    assert_match "$output" "*process 4194304 does not exist*"
}

@test "atomic-update: all of it, or nothing" {
    install_copy
    example atomic-update
    export LD_LIBRARY_PATH=$library
    start demo-ocaml_1 -q
    "$work/atomic-update/atomic-update" "$pid" 'on=gc_*' off=boot
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    assert_equal "$(memory_of "$pid" gc_stop)" "1 on"
    assert_equal "$(memory_of "$pid" boot)" "0 off"
    run -1 "$work/atomic-update/atomic-update" "$pid" on=idle off=none
    assert_match "$output" "*no probe that matches 'none'*"
    assert_equal "$(memory_of "$pid" idle)" "0 off"
    is_let_go "$pid"
}

# is_released: nobody has a hold on gc_start, and it is off.
is_released() {
    assert_equal "$(cat "$mnt/$pid/gc_start/hold")" 0
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

# holds PROGRAM: keeps gc_start on while a command runs, which does not inherit the hold.
holds() {
    local file=$mnt/$pid/gc_start/hold holder
    run -3 "$1" "$file" bash -c 'ls -l /proc/$$/fd; cat "$0"; exit 3' "$file"
    assert_equal "${lines[-1]}" 1
    [ "${#lines[@]}" -gt 3 ]
    [[ $output != *"/hold"* ]]
    is_released

    "$1" "$file" sleep infinity 3>&- &
    holder=$!
    adopt "$holder"
    wait_until "[ \$(cat '$file') = 1 ] && pgrep -P $holder -x sleep"
    adopt "$(pgrep -P "$holder" -x sleep)"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    stop "$holder"
    is_released

    run "$1" "$mnt/$pid/none/hold" true
    [ "$status" != 0 ]
}

@test "hold: in C and in shell, on while a command runs, whatever ends it" {
    example hold
    start_server
    start demo-ocaml_1 -q
    holds "$work/hold/hold"
    holds "$work/hold/hold.sh"
}

@test "dynamic-debug: output that is off until somebody writes 1" {
    example dynamic-debug
    local program=$work/dynamic-debug/server before
    assert_equal "$(ldd "$program" | grep -vc 'linux-vdso\|libc\.so\|ld-linux')" 0
    run -0 "$program" 20
    assert_match "$output" "pid +([0-9])"

    start_server
    start_command root "$program"
    wait_until "grep -q '^pid ' '$out'"
    assert_equal "$(probes_of "$pid")" "debug:cache debug:net"
    echo 1 >"$mnt/$pid/debug:net/enabled"
    says '^net: request [0-9]* from 192\.0\.2\.[0-9]*$'
    assert_equal "$(lines_of '^cache:')" 0
    echo 0 >"$mnt/$pid/debug:net/enabled"
    echo 1 >"$mnt/$pid/debug:cache/enabled"
    says '^cache:'
    before=$(lines_of '^net:')
    says '^cache:'
    says '^cache:'
    assert_equal "$(lines_of '^net:')" "$before"
}

@test "dynamic-debug: probe-run switches it on, and a tracer gets its lines" {
    example dynamic-debug
    cd "$work/dynamic-debug"
    run -0 "$build/probe-run/probe-run" -e debug:net ./server 2
    assert_equal "${lines[1]}" "net: request 0 from 192.0.2.1"
    assert_equal "${lines[2]}" "net: request 1 from 192.0.2.2"
    assert_equal "${#lines[@]}" 3

    start_command root ./server
    run -0 timeout "$(patient 60)" bpftrace -p "$pid" \
        -e 'usdt:./server:debug:net { printf("%s\n", str(arg0)); exit(); }' 3>&-
    assert_match "$output" "*request +([0-9]) from 192.0.2.*"
}
