#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A kernel that refuses forced writes to code (proc_mem.force_override): processes are stopped for a
# moment, and written to with ptrace. The refusal is injected: see targets/refuse.c.

load lib/session-with-users

setup() {
    session_begin
    # What start_server starts is the server under `refuse`, and so are its workers.
    cp "$targets/refuse" "$work/bin/refuse"
    cp "$build/probefs/probefs" "$work/bin/refused-probefs"
    refuses
}

# refuses [OPTION]: what a server that starts from here on is refused.
refuses() {
    printf '#!/bin/sh\nexec "%s" %s "%s" "$@"\n' "$work/bin/refuse" "${1:-}" \
        "$work/bin/refused-probefs" > "$work/bin/probefs"
    chmod 755 "$work/bin/probefs"
}

# said [WHAT]: how often the log speaks of the refusal.
said() {
    grep -c "the kernel refuses ${1:-forced writes}" "$log" || true
}

@test "it is refused at all" {
    start demo-ocaml_1 -q
    cat > "$work/force.py" <<'END'
import errno, os, sys
mem = os.open(f"/proc/{sys.argv[1]}/mem", os.O_RDWR)
try:
    os.pwrite(mem, b"\xe8", int(sys.argv[2], 16))
except OSError as error:
    print(errno.errorcode[error.errno])
END
    switch=$(switch_byte_of "$pid" gc_start)
    assert_equal "$("$work/bin/refuse" /usr/bin/python3 "$work/force.py" "$pid" "$switch")" EIO
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

@test "switched all the same, with either engine, and that is said once" {
    mkdir "$work/second"
    start_server
    first_log=$log
    start_server_at root "$work/second" -o engine=ptrace
    start threads 4
    for at in "$mnt" "$work/second"; do
        for _ in {1..8}; do
            echo 1 > "$at/$pid/enabled"
            assert_equal "$(< "$at/$pid/enabled")" 1
            echo 0 > "$at/$pid/gc_stop/enabled"
            echo 0 > "$at/$pid/gc_start/enabled"
        done
        assert_equal "$(memory_of_all "$pid")" "0 off"
        echo +1 > "$at/$pid/gc_start/semaphore"
        assert_equal "$(memory_of "$pid" gc_start)" "1 on"
        echo -1 > "$at/$pid/gc_start/semaphore"
        assert_equal "$(memory_of "$pid" gc_start)" "0 off"
        is_let_go "$pid"
    done
    tell USR1 '^totals .* wrong=0'
    assert_equal "$(said)" 1
    log=$first_log
    assert_equal "$(said)" 1
}

# switches_all TREE: all of `threads`, on and off, counters by one and to a value.
switches_all() {
    local at=$1
    for _ in {1..4}; do
        echo 1 > "$at/$pid/enabled"
        assert_equal "$(< "$at/$pid/enabled")" 1
        assert_equal "$(memory_of "$pid" gc_start)" "1 on"
        echo 0 > "$at/$pid/enabled"
        assert_equal "$(memory_of_all "$pid")" "0 off"
    done
    echo 7 > "$at/$pid/gc_start/semaphore"
    echo -1 > "$at/$pid/gc_start/semaphore"
    assert_equal "$(memory_of "$pid" gc_start)" "6 on"
    exec 9> "$at/$pid/gc_start/hold"
    assert_equal "$(memory_of "$pid" gc_start)" "7 on"
    exec 9>&-
    assert_equal "$(< "$at/$pid/gc_start/semaphore")" 6
    assert_equal "$(memory_of "$pid" gc_start)" "6 on"
    echo 0 > "$at/$pid/gc_start/semaphore"
    is_let_go "$pid"
}

@test "where mem cannot be written at all: by ptrace and process_vm_writev, with either engine" {
    for option in -m -o; do
        refuses $option
        for engine in vm ptrace; do
            mkdir "$work/at$option$engine"
            start_server_at root "$work/at$option$engine" -o engine=$engine
            start threads 4
            switches_all "$work/at$option$engine"
            tell USR1 '^totals .* wrong=0'
            stop "$pid"
            start_as a demo-ocaml_1
            run_as a sh -c 'echo 1 > "$1"' sh "$work/at$option$engine/$pid/gc_start/enabled"
            assert_equal "$(memory_of "$pid" gc_start)" "1 on"
            is_let_go "$pid"
            stop "$pid"
            start sdt
            echo 1 > "$work/at$option$engine/$pid/enabled"
            assert_equal "$(< "$work/at$option$engine/$pid/enabled")" 1
            is_let_go "$pid"
            stop "$pid"
            assert_equal "$(said 'writes to /proc/PID/mem')" 2 "once for each worker"
        done
    done
}

@test "where mem cannot be written and the process not be stopped: refused, which says why" {
    refuses -m
    start_server
    start demo-ocaml_1 -q
    target=$pid
    start_command root strace -o /dev/null -p "$target"
    wait_until "! grep -q '^TracerPid:.0' /proc/$target/status"
    peek "$target" > "$work/before"
    assert_errno EBUSY write "$mnt/$target/gc_start/enabled" 1
    assert_errno EBUSY write "$mnt/$target/gc_start/semaphore" +1
    assert_match "$(tail -n 1 "$mnt/$target/error_log")" "*is traced by strace (pid $pid)*"
    peek "$target" | diff "$work/before" -
    start_as a undumpable
    peek "$pid" > "$work/before"
    assert_errno EPERM write "$mnt/$pid/enabled" 1
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" "*the kernel refuses writes to its mem*"
    peek "$pid" | diff "$work/before" -
}

@test "not dumpable: stopped and written to with root's authority, with either engine; holds too" {
    for engine in vm ptrace; do
        mkdir "$work/$engine"
        start_server_at root "$work/$engine" -o engine=$engine
        start_as a undumpable
        for _ in {1..4}; do
            echo 1 > "$work/$engine/$pid/enabled"
            assert_equal "$(memory_of_all "$pid")" "1 on"
            echo 0 > "$work/$engine/$pid/enabled"
            assert_equal "$(memory_of_all "$pid")" "0 off"
        done
        exec 9> "$work/$engine/$pid/gc_start/hold"
        assert_equal "$(memory_of "$pid" gc_start)" "1 on"
        exec 9>&-
        assert_equal "$(< "$work/$engine/$pid/gc_start/enabled")" 0
        assert_equal "$(memory_of "$pid" gc_start)" "0 off"
        is_let_go "$pid"
    done
}

@test "one byte is changed, and none of the seven that ptrace writes with it" {
    start_server
    start many-1000 -q
    sites=$(peek "$pid" | awk '{ print $5 }' | sort -u)
    low=$(head -n 1 <<< "$sites") high=$(tail -n 1 <<< "$sites")
    length=$((0x$high - 0x$low + 6))
    peek "$pid" words "$low" $length | tr ' ' '\n' > "$work/before"
    echo 1 > "$mnt/$pid/enabled"
    peek "$pid" words "$low" $length | tr ' ' '\n' > "$work/after"
    assert_equal "$(paste "$work/before" "$work/after" | awk '$1 != $2' | sort | uniq -c |
        tr -s ' ')" " 3000 off	on"
    kill -USR1 "$pid"
    wait_until 'grep -q "^hits 3000" "$out"'
}

@test "an ordinary user's process, through the user's worker" {
    start_server
    start_as a demo-ocaml_1
    run_as a sh -c 'echo 1 > "$1"' sh "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    says '^gc_start'
    is_let_go "$pid"
}

@test "counters alone need no stop, not even of a process that is traced" {
    start_server
    start sdt
    target=$pid
    start_command root strace -o /dev/null -p "$target"
    wait_until "! grep -q '^TracerPid:.0' /proc/$target/status"
    echo 1 > "$mnt/$target/enabled"
    assert_equal "$(< "$mnt/$target/enabled")" 1
    assert_equal "$(said)" 0
}

@test "where the process cannot be stopped, it is refused, and the counters are as before" {
    start_server
    start demo-ocaml_1 -q
    target=$pid
    echo +1 > "$mnt/$target/idle/semaphore"
    start_command root strace -o /dev/null -p "$target"
    wait_until "! grep -q '^TracerPid:.0' /proc/$target/status"
    peek "$target" > "$work/before"
    assert_errno EBUSY write "$mnt/$target/enabled" 1
    assert_match "$(tail -n 1 "$mnt/$target/error_log")" "*is traced by strace (pid $pid)*"
    assert_errno EBUSY write "$mnt/$target/enabled" 0
    peek "$target" | diff "$work/before" -
    stop "$pid"
    start vforker -t /bin/true
    adopt_child
    assert_errno ETIMEDOUT write "$mnt/$pid/gc_start/enabled" 1
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    is_let_go "$pid"
}

@test "a stopped process stays stopped" {
    start_server
    start demo-ocaml_1
    stays_stopped
}

@test "a process whose only thread waits for the mount: ETIMEDOUT, and no deadlock" {
    start_server
    # Its Python probes are counters alone; the library's sites are code.
    cat > "$work/own.py" <<'END'
import ctypes, errno, os, sys
ctypes.CDLL(sys.argv[2])
fd = os.open(f"{sys.argv[1]}/{os.getpid()}/plug_hit/enabled", os.O_WRONLY)
try:
    os.write(fd, b"1")
    print("written")
except OSError as error:
    print(errno.errorcode[error.errno])
END
    run /usr/bin/python3 "$work/own.py" "$mnt" "$(target libplug.so)"
    assert_equal "$output" ETIMEDOUT
}

@test "probe-run needs no forced write" {
    cp "$build/probe-run/probe-run" "$work/bin/probe-run"
    run -42 "$work/bin/refuse" "$work/bin/probe-run" "$(target first)"
    target libconstruct.so > /dev/null
    run -0 "$work/bin/refuse" "$work/bin/probe-run" "$(target report)"
    assert_match "$output" "*early 1*late 1*"
}
