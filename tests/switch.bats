#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# Switching probes of live processes by writing into `enabled`.

load lib/session

setup() {
    session_begin
    start_server
}

start_switched() {
    start demo-ocaml_1 -i 20
    enabled=$mnt/$pid/gc_start/enabled
}

# is_on, is_off: the demo's gc_start, as the tree, the memory and the program itself show it.
is_on() {
    assert_equal "$(< "$enabled")" 1 "enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on" "counter and sites"
    says '^gc_start'
}

is_off() {
    assert_equal "$(< "$enabled")" 0 "enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off" "counter and sites"
    is_silent '^gc_start'
}

@test "echo 1 and echo 0: the handler's output starts and stops" {
    start_switched
    is_off
    echo 1 > "$enabled"
    is_on
    echo 0 > "$enabled"
    is_off
}

@test "nothing but the one probe changes" {
    start_switched
    before=$(peek "$pid" | grep -v ' gc_start ')
    echo 1 > "$enabled"
    assert_equal "$(peek "$pid" | grep -v ' gc_start ')" "$before" "the other probes"
}

@test "a probe with several sites: all are switched" {
    start demo-ocaml_1
    assert_equal "$(peek "$pid" | grep -c ' request ')" 3 "sites"
    echo 1 > "$mnt/$pid/request/enabled"
    assert_equal "$(memory_of "$pid" request)" "1 on"
    says '^request'
    says '^prepared'
    echo 0 > "$mnt/$pid/request/enabled"
    assert_equal "$(memory_of "$pid" request)" "0 off"
}

@test "a probe that is on from the start reads 1, and can be switched off" {
    start demo-ocaml_1 -i 20
    assert_equal "$(state_of "$pid" boot)" 1
    echo 0 > "$mnt/$pid/boot/enabled"
    assert_equal "$(memory_of "$pid" boot)" "0 off"
    echo 1 > "$mnt/$pid/boot/enabled"
    says '^boot'
}

@test "printf without a newline" {
    start_switched
    printf 1 > "$enabled"
    is_on
    printf 0 > "$enabled"
    is_off
}

@test ">> appends as > does" {
    start_switched
    echo 1 >> "$enabled"
    is_on
    echo 0 >> "$enabled"
    is_off
}

@test "tee, to several files" {
    start_switched
    echo 1 | tee "$enabled" "$mnt/$pid/gc_stop/enabled" > "$work/tee"
    is_on
    assert_equal "$(state_of "$pid" gc_stop)" 1
    echo 0 | tee "$enabled" > /dev/null
    is_off
}

@test "dd, also with conv=notrunc and an offset" {
    start_switched
    echo 1 | dd of="$enabled" status=none
    is_on
    printf 0 | dd of="$enabled" conv=notrunc bs=1 seek=7 status=none
    is_off
}

@test "cp from a file, and cat" {
    start_switched
    echo 1 > "$work/one"
    echo 0 > "$work/zero"
    cp "$work/one" "$enabled"
    is_on
    cat "$work/zero" > "$enabled"
    is_off
}

@test "python: open().write(), and several writes on one descriptor" {
    start_switched
    python3 -c 'import sys; open(sys.argv[1], "w").write("1\n")' "$enabled"
    is_on
    python3 - "$enabled" <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
for text in b"0", b"1\n", b"0\n":
    assert os.write(fd, text) == len(text)
    assert os.pread(fd, 10, 0) == text[:1] + b"\n"
END
    is_off
}

@test "dash and busybox's way of echo" {
    start_switched
    sh -c "echo 1 > '$enabled'"
    is_on
    /bin/echo 0 > "$enabled"
    is_off
}

@test "a switch is no count: twice on, once off is off" {
    start_switched
    echo 1 > "$enabled"
    echo 1 > "$enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    echo 0 > "$enabled"
    is_off
}

@test "on keeps a counter that is above 0 already" {
    start_switched
    peek "$pid" poke "$(counter_of "$pid" gc_start)" 0500
    echo 1 > "$enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "5 on"
    assert_equal "$(< "$enabled")" 1
    echo 0 > "$enabled"
    is_off
}

@test "texts that are no value are EINVAL and change nothing" {
    start_switched
    for state in 0 1; do
        echo $state > "$enabled"
        before=$(peek "$pid")
        for text in 2 9 11 10 01 00 ' 1' '1 ' '\t1' '\n' '\n1' '1\n\n' '1\n0' '1\r\n' '1 1' \
            on off true ON y X x -1 +1 =1 0x1 1.0 '1\0' '\0' '\0001' '\x31\x00\n' '\xb9' \
            '1#' 'a'; do
            assert_errno EINVAL write "$enabled" "$text"
        done
        assert_errno EINVAL write "$enabled" "$(printf '1%.0s' {1..4096})"
        assert_errno EINVAL write "$enabled" "$(printf '0%.0s' {1..100000})"
        assert_equal "$(peek "$pid")" "$before" "the memory"
        assert_equal "$(< "$enabled")" $state
    done
}

@test "an empty write changes nothing, nor does truncating, touching or appending nothing" {
    start_switched
    echo 1 > "$enabled"
    before=$(peek "$pid")
    : > "$enabled"
    : >> "$enabled"
    printf '' > "$enabled"
    touch "$enabled"
    truncate -s 0 "$enabled"
    assert_equal "$(peek "$pid")" "$before" "the memory"
    is_on
}

@test "a write of no bytes is EINVAL or nothing, never a switch" {
    start_switched
    before=$(peek "$pid")
    assert_match "$(errno_of write "$enabled" '')" '@(OK|EINVAL)'
    assert_equal "$(peek "$pid")" "$before" "the memory"
}

@test "the shell shows the error of a wrong text" {
    start_switched
    run -1 bash -c "echo on > '$enabled'"
    assert_match "$output" '*Invalid argument*'
}

@test "X, a counter without its site: read as X, mended by 1" {
    start_switched
    peek "$pid" poke "$(counter_of "$pid" gc_start)" 0100
    assert_equal "$(< "$enabled")" X
    echo 1 > "$enabled"
    is_on
}

@test "X, a site without its counter: read as X, mended by 0" {
    start_switched
    peek "$pid" poke "$(switch_byte_of "$pid" gc_start)" on
    assert_equal "$(< "$enabled")" X
    echo 0 > "$enabled"
    is_off
}

@test "X, sites that disagree: mended by 1 and by 0" {
    start demo-ocaml_1
    for value in 1 0; do
        echo 0 > "$mnt/$pid/request/enabled"
        peek "$pid" poke "$(switch_byte_of "$pid" request)" on
        assert_equal "$(state_of "$pid" request)" X
        echo $value > "$mnt/$pid/request/enabled"
        assert_equal "$(state_of "$pid" request)" $value
    done
    assert_equal "$(memory_of "$pid" request)" "0 off"
}

@test "X from the start (mixed: skew)" {
    start mixed
    assert_equal "$(state_of "$pid" skew)" X
    assert_equal "$(< "$mnt/$pid/enabled")" X
    echo 0 > "$mnt/$pid/skew/enabled"
    assert_equal "$(memory_of "$pid" skew)" "0 off"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
}

@test "enabled of a process: 0, 1, X, and all at once" {
    start demo-ocaml_1 -i 20
    assert_equal "$(< "$mnt/$pid/enabled")" X "boot alone is on"
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(< "$mnt/$pid/enabled")" 1
    assert_equal "$(cat "$mnt/$pid"/*/enabled | paste -sd' ')" "1 1 1 1 1"
    assert_equal "$(memory_of_all "$pid")" "1 on" "memory"
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
    assert_equal "$(memory_of_all "$pid")" "0 off" "memory"
    echo 1 > "$mnt/$pid/gc_stop/enabled"
    assert_equal "$(< "$mnt/$pid/enabled")" X
    assert_errno EINVAL write "$mnt/$pid/enabled" X
    assert_errno EINVAL write "$mnt/$pid/enabled" 2
    assert_equal "$(< "$mnt/$pid/enabled")" X
}

# `names` passes its sites only when it is asked to: garbage there is not run into.
@test "garbage at a site is ENOEXEC, and nothing is written, not even to other probes" {
    start names
    enabled=$mnt/$pid/plain/enabled
    byte=$(switch_byte_of "$pid" plain)
    for garbage in trap nop 00 e9 3c; do
        peek "$pid" poke "$byte" $garbage
        before=$(peek "$pid")
        assert_errno ENOEXEC write "$enabled" 1
        assert_errno ENOEXEC write "$enabled" 0
        assert_errno ENOEXEC write "$mnt/$pid/enabled" 1
        assert_errno ENOEXEC write "$mnt/$pid/enabled" 0
        assert_equal "$(peek "$pid")" "$before" "the memory"
    done
    peek "$pid" poke "$byte" off
    echo 1 > "$enabled"
    assert_equal "$(memory_of "$pid" plain)" "1 on"
}

@test "other operand bytes than the file's are ENOEXEC" {
    start names
    site=$(site_of "$pid" plain)
    bytes=$(peek "$pid" bytes "$(add "$site" 2)" 4)
    peek "$pid" poke "$(add "$site" 5)" 7a
    before=$(peek "$pid")
    assert_errno ENOEXEC write "$mnt/$pid/plain/enabled" 1
    assert_equal "$(peek "$pid")" "$before" "the memory"
    peek "$pid" poke "$(add "$site" 2)" "$bytes"
    assert_errno OK write "$mnt/$pid/plain/enabled" 1
}

@test "anything but a nop before the switch byte is ENOEXEC, a breakpoint there is not" {
    start names
    site=$(site_of "$pid" plain)
    peek "$pid" poke "$site" 91
    assert_errno ENOEXEC write "$mnt/$pid/plain/enabled" 1
    assert_equal "$(memory_of "$pid" plain)" "0 off"
    peek "$pid" poke "$site" trap
    echo 1 > "$mnt/$pid/plain/enabled"
    assert_equal "$(state_of "$pid" plain)" 1
    assert_equal "$(memory_of "$pid" plain)" "1 on"
    assert_equal "$(peek "$pid" words "$site" 1)" trap "the breakpoint"
    echo 0 > "$mnt/$pid/plain/enabled"
    assert_equal "$(memory_of "$pid" plain)" "0 off"
}

@test "a site that fails leaves its probe's other sites alone" {
    start demo-ocaml_1
    last=$(peek "$pid" | awk '$2 == "request" { site = $5 } END { print site }')
    stop_here=$(add "$last" 1)
    pause_process "$pid"
    peek "$pid" poke "$stop_here" nop
    assert_errno ENOEXEC write "$mnt/$pid/request/enabled" 1
    peek "$pid" poke "$stop_here" off
    assert_equal "$(memory_of "$pid" request)" "0 off"
    kill -CONT "$pid"
}

@test "a stopped process is switched, and stays stopped" {
    start_switched
    pause_process "$pid"
    echo 1 > "$enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    assert_match "$(grep ^State: "/proc/$pid/status")" '*T (stopped)'
    kill -CONT "$pid"
    is_on
}

@test "on writes the counter before the sites, off the sites before the counter" {
    command -v strace > /dev/null || skip "needs strace"
    start_switched
    counter=$(counter_of "$pid" gc_start)
    site=$(switch_byte_of "$pid" gc_start)
    strace -f -e trace=pwrite64,pwritev,process_vm_writev -o "$work/strace" -p "$server" \
        2> "$work/strace.err" 3>&- &
    tracer=$!
    wait_until "grep -q attached '$work/strace.err'"
    echo 1 > "$enabled"
    echo 0 > "$enabled"
    kill -INT "$tracer"
    wait "$tracer" || true
    order=$(grep -o ', \(0x\)\?[0-9a-f]*) *= [12]$' "$work/strace" |
        sed 's/, //; s/).*//' | while read -r address; do
            case $(printf '%x' "$address") in
            "$counter") echo counter ;;
            "$site") echo site ;;
            *) echo "elsewhere: $address" ;;
            esac
        done | paste -sd' ')
    assert_equal "$order" "counter site site counter"
}

@test "threads that run through the sites while they flip 10,000 times" {
    start threads 4
    python3 - "$mnt/$pid/gc_start/enabled" "$mnt/$pid/gc_stop/enabled" <<'END'
import os, sys
files = [os.open(name, os.O_WRONLY) for name in sys.argv[1:]]
for i in range(10000):
    os.write(files[i % 2], b"10"[i // 2 % 2:i // 2 % 2 + 1])
for file in files:
    os.write(file, b"0")
END
    tell USR1 '^totals'
    assert_match "$(tail -n 1 "$out")" 'totals threads=4 *'
    assert_match "$(tail -n 1 "$out")" '* wrong=0 *'
    [ "$(sed -n '$s/.* hits=\([0-9]*\).*/\1/p' "$out")" -gt 0 ]
    [ "$(sed -n '$s/.* misses=\([0-9]*\).*/\1/p' "$out")" -gt 0 ]
    assert_equal "$(memory_of_all "$pid")" "0 off"
}

@test "threads that come and go while all is switched" {
    start threads -c 4
    for _ in {1..200}; do
        echo 1 > "$mnt/$pid/enabled"
        echo 0 > "$mnt/$pid/enabled"
    done
    kill -USR1 "$pid"
    wait_until 'grep -q "^totals" "$out"'
    assert_match "$(tail -n 1 "$out")" '* wrong=0 *'
}

@test "a process whose main thread has ended" {
    start threads -e -i 5 2
    wait_until "grep -q '^State:.Z' /proc/$pid/status"
    assert_equal "$(probes_of "$pid")" "gc_start gc_stop"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(state_of "$pid" gc_start)" 1
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    kill -USR1 "$pid"
    wait_until 'grep -q "^totals" "$out"'
    assert_match "$(tail -n 1 "$out")" '* wrong=0 *'
}

@test "writers that disagree: at the end counter and site agree" {
    start_switched
    for value in 1 0 1 0; do
        (for _ in {1..200}; do echo $value > "$enabled"; done) 3>&- &
        writers+=($!)
    done
    wait "${writers[@]}"
    assert_match "$(< "$enabled")" '[01]'
    assert_match "$(memory_of "$pid" gc_start)" '@(0 off|1 on)'
}

@test "a thousand probes with three sites each" {
    start many-1000
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(cat "$mnt/$pid"/*/enabled | sort | uniq -c | awk '{ print $1, $2 }')" "1000 1"
    kill -USR1 "$pid"
    wait_until 'grep -q "^hits 3000$" "$out"'
    assert_equal "$(grep -l 1 "$mnt/$pid"/*/enabled | wc -l)" 1000
    echo 0 > "$mnt/$pid/enabled"
    kill -USR1 "$pid"
    wait_until 'grep -q "^hits 0$" "$out"'
}

start_python() {
    start_command root /usr/bin/python3 -u -c '
import gc, os, time
print("pid", os.getpid())
while True:
    gc.collect()
    time.sleep(0.02)'
    wait_until 'grep -q "^pid" "$out"'
}

# What gdb sees at the semaphore that readelf shows for probe $1 (python3 of Debian is no PIE).
semaphore_by_gdb() {
    local exe address
    exe=$(readlink -f /usr/bin/python3)
    address=$(readelf -nW "$exe" | awk -v name="$1" '
        $1 == "Name:" { found = $2 == name }
        found && /Semaphore:/ { print $NF; exit }')
    gdb -nx -batch -p "$pid" -ex "printf \"counter %d\\n\", *(unsigned short *)$address" \
        2> /dev/null | sed -n 's/^counter //p'
}

@test "Debian's python3: a real program, confirmed by gdb" {
    readelf -nW "$(readlink -f /usr/bin/python3)" | grep -q stapsdt || skip "python3 has no probes"
    start_python
    assert_match "$(probes_of "$pid")" '*python:gc__done python:gc__start*'
    assert_equal "$(< "$mnt/$pid/enabled")" 0
    assert_equal "$(semaphore_by_gdb gc__start)" 0
    echo 1 > "$mnt/$pid/python:gc__start/enabled"
    assert_equal "$(semaphore_by_gdb gc__start)" 1
    assert_equal "$(semaphore_by_gdb gc__done)" 0
    assert_equal "$(state_of "$pid" python:gc__start)" 1
    assert_equal "$(< "$mnt/$pid/enabled")" X
    echo 0 > "$mnt/$pid/python:gc__start/enabled"
    assert_equal "$(semaphore_by_gdb gc__start)" 0
    assert_equal "$(< "$mnt/$pid/enabled")" 0
}

@test "SystemTap probes: counters are written, the nops are not" {
    start sdt -i 20
    echo 1 > "$mnt/$pid/web:query/enabled"
    says '^query_1'
    says '^query_2'
    says '^query_3'
    assert_equal "$(memory_of "$pid" query)" "1 nop"
    echo 0 > "$mnt/$pid/web:query/enabled"
    assert_equal "$(memory_of "$pid" query)" "0 nop"
}

@test "SystemTap probes that share one semaphore are switched together" {
    start sdt -i 20
    echo 1 > "$mnt/$pid/web:cache_hit/enabled"
    assert_equal "$(state_of "$pid" web:cache_miss)" 1
    says '^cache'
    echo 0 > "$mnt/$pid/web:cache_miss/enabled"
    assert_equal "$(state_of "$pid" web:cache_hit)" 0
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(memory_of "$pid" cache_hit)" "1 nop"
    assert_equal "$(< "$mnt/$pid/enabled")" 1
}

@test "one of several counters of a SystemTap probe: X, mended" {
    start sdt
    peek "$pid" poke "$(counter_of "$pid" query)" 0300
    assert_equal "$(state_of "$pid" web:query)" X
    echo 1 > "$mnt/$pid/web:query/enabled"
    assert_equal "$(memory_of "$pid" query)" "1 nop,3 nop"
    echo 0 > "$mnt/$pid/web:query/enabled"
    assert_equal "$(memory_of "$pid" query)" "0 nop"
}

@test "grep -l 1 shows what is on, find every switch" {
    start_switched
    echo 1 > "$enabled"
    cd "$mnt"
    assert_equal "$(grep -l 1 "$pid"/*/enabled | paste -sd' ')" \
        "$pid/boot/enabled $pid/gc_start/enabled"
    assert_equal "$(find "$pid" -name enabled | wc -l)" 6
    cd "$work"
}
