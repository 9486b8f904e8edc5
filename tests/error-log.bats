#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# error_log: a whole sentence for every failure.

load lib/session-with-users
load lib/tracers

setup() {
    session_begin
    start_server
}

teardown() {
    tracers_end
    session_end
    feed
}

start_target() {
    start "$@"
    error_log=$mnt/$pid/error_log
}

last() {
    tail -n 1 "$error_log"
}

# logs ERRNO FILE TEXT PATTERN...: the write fails so, and adds one line that matches all PATTERNs.
logs() {
    local errno=$1 file=$2 text=$3 lines line pattern
    shift 3
    lines=$(wc -l < "$error_log")
    assert_equal "$(python3 "$tests/lib/pieces.py" "$mnt/$pid/$file" "write:$text")" "$errno" \
        "errno of '$text' to $file"
    assert_equal "$(wc -l < "$error_log")" $((lines + 1)) "lines of error_log"
    line=$(last)
    is_sentence "$line"
    for pattern in "user 0 " "$errno" "$@"; do
        assert_match "$line" "*$pattern*"
    done
}

# is_sentence LINE: time, who, what, why; in full words, to the full stop.
is_sentence() {
    [[ $1 =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}[T\ ][0-9]{2}:[0-9]{2}:[0-9]{2} ]] ||
        { echo "no time: $1"; return 1; }
    [[ $1 =~ user\ [0-9]+ && $1 =~ process\ [0-9]+ ]] || { echo "not who asked: $1"; return 1; }
    assert_match "$1" '*.'
    [ "$(wc -w <<< "$1")" -ge 12 ]
}

@test "it begins empty, and what works leaves no line" {
    start_target demo-ocaml_1 -q
    assert_equal "$(cat "$error_log")" ""
    echo 1 > "$mnt/$pid/enabled"
    echo '0 *' > "$mnt/$pid/control"
    echo +1 > "$mnt/$pid/gc_start/semaphore"
    assert_equal "$(cat "$error_log")" ""
}

@test "the caller's uid and pid" {
    start_target demo-ocaml_1 -q
    python3 - "$mnt/$pid/gc_start/enabled" > "$work/caller" <<'END'
import os, sys
print(os.getpid())
try:
    with open(sys.argv[1], "w") as file:
        file.write("7")
except OSError:
    pass
END
    assert_match "$(last)" "*user 0 (process $(cat "$work/caller"))*"
    start_as a demo-ocaml_1 -q
    pid=$(sed -n 's/^pid //p' "$out")
    adopt "$pid"
    run_as a sh -c 'echo $$; ! echo 7 > "$1"' sh "$mnt/$pid/gc_start/enabled" \
        > "$work/caller" 2> /dev/null
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
        "*user $(id -u "$(user_name a)") (process $(head -n 1 "$work/caller"))*"
    assert_equal "$(run_as a tail -n 1 "$mnt/$pid/error_log")" "$(tail -n 1 "$mnt/$pid/error_log")"
}

@test "EINVAL: what was written, where, and what to write" {
    start_target demo-ocaml_1 -q
    logs EINVAL gc_start/enabled 2 '"2"' enabled gc_start 'write 0 or 1'
    logs EINVAL gc_start/semaphore 'much' '"much"' semaphore gc_start '+1'
    logs EINVAL gc_start/hold 1 hold gc_start
    logs EINVAL enabled yes '"yes"' enabled
    logs EINVAL control '1 gc_start\n2 gc_stop\n' 'line 2 ("2 gc_stop"): ' control
    logs EINVAL control '1 gc_start\n0 gc_start\n' 'line 2 ("0 gc_start"): ' control
    logs EINVAL control '1 ~(\n' 'line 1 ("1 ~("): ' control
}

@test "ERANGE and EOVERFLOW: the semaphore's name, address and value" {
    start_target demo-ocaml_1 -q
    address=$(counter_of "$pid" gc_start)
    logs ERANGE gc_start/semaphore -1 '"-1"' gc_start "0x$address"
    logs ERANGE gc_start/semaphore 65536 65536 gc_start 65535
    echo 65535 > "$mnt/$pid/gc_start/semaphore"
    logs EOVERFLOW gc_start/semaphore +1 '"+1"' gc_start "0x$address" 65535
    assert_errno EOVERFLOW open-write "$mnt/$pid/gc_start/hold"
    is_sentence "$(last)"
    assert_match "$(last)" "*gc_start/hold*EOVERFLOW*0x$address*"
    start_target sdt -q
    logs ERANGE web:query/semaphore 32768 web:query 32767
}

@test "ENOENT through control: the name or pattern that matches nothing" {
    start_target demo-ocaml_1 -q
    logs ENOENT control '1 nothing\n' "'nothing'" "$pid"
    logs ENOENT control '1 boot\n0 gc_x*\n' "'gc_x*'"
    assert_match "$(last)" '*line 2 ("0 gc_x*"): *'
    logs ENOENT control '1 ~^x\n' "'~^x'"
}

@test "ENOENT: an open of a probe whose library was unloaded" {
    start_target host -i 20 "$(target libplug.so)"
    tell USR1 '^loaded'
    cat "$mnt/$pid/plug_hit/enabled"
    tell USR2 '^unloaded'
    # The kernel knows the name for a second.
    assert_errno ENOENT write "$mnt/$pid/plug_hit/enabled" 1
    is_sentence "$(last)"
    assert_match "$(last)" "*ENOENT: process $pid has no probe 'plug_hit' any more."
}

@test "a cut line that fails at close" {
    start_target demo-ocaml_1 -q
    assert_equal "$(python3 "$tests/lib/pieces.py" "$mnt/$pid/control" 'write:1 nothing' close)" \
        "OK ENOENT"
    assert_equal "$(wc -l < "$error_log")" 1
    is_sentence "$(last)"
    assert_match "$(last)" "*control*ENOENT*'nothing'*"
}

@test "ENOEXEC: the address, the bytes that are there, and the probe" {
    start_target names
    site=$(site_of "$pid" plain)
    peek "$pid" poke "$(add "$site" 1)" trap
    found=$(peek "$pid" bytes "$site" 2)
    found="${found:0:2} ${found:2}"
    logs ENOEXEC plain/enabled 1 "0x$site" "$found" plain debugger
    logs ENOEXEC control '1 *\n' "0x$site" "$found" plain
}

@test "EIO: memory that is not there any more, under the name that the caller is told" {
    cat > "$work/gone.c" << 'END'
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
static struct {
    unsigned short counter;
} __attribute__((aligned(65536))) page __asm__("app_step_semaphore") __attribute__((used));
extern unsigned short app_step_semaphore;
int main(void)
{
    STAP_PROBE(app, step);
    munmap(&page, sizeof(page));
    puts("unmapped");
    fflush(stdout);
    for (;;) pause();
}
END
    cc -o "$work/bin/gone" "$work/gone.c"
    start_command root "$work/bin/gone"
    wait_until 'grep -q unmapped "$out"'
    error_log=$mnt/$pid/error_log
    logs EIO app:step/enabled 1 "cannot read 2 bytes at 0x"
    assert_errno EIO read "$mnt/$pid/app:step/semaphore"
    assert_match "$(last)" "*: EIO: *"
}

@test "EBUSY: a kernel tracer, the semaphore, and what helps" {
    needs_bpftrace
    start_target sdt -q
    trace "$work/bin/sdt" web:request_start "$pid" request_start
    logs EBUSY web:request_start/enabled 0 "0x$(counter_of "$pid" request_start)" bpftrace -1
    logs EBUSY control '0 web:*\n' bpftrace
    untrace "$tracer"
}

@test "EACCES: root without CAP_SYS_PTRACE is told whose process it is; root reads it afterwards" {
    start_as a demo-ocaml_1 -q
    pid=$(sed -n 's/^pid //p' "$out")
    adopt "$pid"
    error_log=$mnt/$pid/error_log
    before=$(peek "$pid")
    assert_equal "$(run_without_ptrace "$targets/errno-of" write \
        "$mnt/$pid/gc_start/enabled" 1)" EACCES
    assert_equal "$(peek "$pid")" "$before"
    is_sentence "$(last)"
    assert_match "$(last)" "*user 0 *gc_start*EACCES*$pid*user $(id -u "$(user_name a)")*"
    assert_match "$(last)" '*CAP_SYS_PTRACE*'
}

@test "EACCES: another user, and one's own process that is not dumpable" {
    start_as a demo-ocaml_1 -q
    pid=$(sed -n 's/^pid //p' "$out")
    adopt "$pid"
    assert_errno_as b EACCES write "$mnt/$pid/gc_start/enabled" 1
    assert_errno_as b EACCES read "$mnt/$pid/error_log"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    start_as a undumpable -q
    pid=$(sed -n 's/^pid //p' "$out")
    adopt "$pid"
    assert_errno_as a EACCES write "$mnt/$pid/gc_start/enabled" 1
    assert_errno_as a EACCES read "$mnt/$pid/error_log"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
}

@test "a note that is left out: its object's path and the reason, and all else stays usable" {
    library=$work/bin/bad.so
    python3 "$tests/targets/forge.py" no-semaphore "$targets/libplug.so" "$library"
    start_target host -q -l "$library"
    wait_until 'grep -q "^loaded" "$out"'
    wait_until 'grep -q bad.so "$error_log"'
    assert_equal "$(probes_of "$pid")" "gc_start plug_hit"
    line=$(grep bad.so "$error_log")
    assert_equal "$(wc -l <<< "$line")" 1
    assert_match "$line" \
        "* object '$library' of process $pid has 1 note left out: *semaphore*'forged'*."
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start /host)" "1 on"
    cat "$error_log" "$error_log" > /dev/null
    assert_equal "$(grep -c bad.so "$error_log")" 1 "said once"
}

# ---- what is not shown ----------------------------------------------------------------------

# unlisted PID: it has no probe that is shown, so it stands in no listing.
unlisted() {
    ls "$mnt" > "$work/listing"
    ! grep -qx "$1" "$work/listing"
}

@test "a program whose probes have no semaphore: not listed, and error_log says what can be done" {
    start_target watched
    unlisted "$pid"
    assert_equal "$(cd "$mnt/$pid" && echo *)" "control enabled error_log exe hits info trace"
    assert_equal "$(probes_of "$pid")" ""
    assert_match "$(cat "$error_log")" "* object '*/watched' of process $pid has 1 note without a \
semaphore left out: such a probe can be watched, not switched (for one, 'web:silent'); mount with -o \
all to see it."
    assert_errno ENOENT write "$mnt/$pid/enabled" 1
    assert_match "$(last)" "*user 0*ENOENT*process $pid has no probe that can be switched*"
    # It is told once.
    cat "$error_log" > /dev/null
    assert_equal "$(grep -c 'without a semaphore' "$error_log")" 1
    # A process of which there is nothing to tell has no directory.
    start_command root sleep 100
    assert_no_directory "$pid"
}

@test "a user's own process without probes: its user and root read why, others do not" {
    start_as a watched
    pid=$(sed -n 's/^pid //p' "$out")
    adopt "$pid"
    assert_match "$(run_as a cat "$mnt/$pid/error_log")" '*without a semaphore left out*'
    assert_match "$(cat "$mnt/$pid/error_log")" '*without a semaphore left out*'
    assert_errno_as b EACCES read "$mnt/$pid/error_log"
}

@test "a program of 32 bits" {
    command as --32 "$tests/targets/bits32.s" -o "$work/bits32.o"
    ld -m elf_i386 "$work/bits32.o" -o "$work/bin/bits32"
    start_command root "$work/bin/bits32"
    wait_until 'grep -q ready "$out"'
    unlisted "$pid"
    assert_match "$(cat "$mnt/$pid/error_log")" \
        "* object '*/bits32' of process $pid is a program of 32 bits, whose probes are not shown."
}

# Real ones are tried by tests/field/emulator.bats: this is a program that is called as they are.
@test "a program that runs those of another processor" {
    cp /usr/bin/sleep "$work/bin/qemu-aarch64-static"
    start_command root "$work/bin/qemu-aarch64-static" 1000
    wait_until 'grep -q qemu "/proc/$pid/comm"'
    unlisted "$pid"
    assert_match "$(cat "$mnt/$pid/error_log")" \
        "* object '*/qemu-aarch64-static' of process $pid runs a program of another processor, whose probes are not shown."
    cp /usr/bin/sleep "$work/bin/qemu-img"
    start_command root "$work/bin/qemu-img" 1000
    wait_until 'grep -q qemu "/proc/$pid/comm"'
    [ ! -e "$mnt/$pid" ]
}

@test "an object that is mapped shared: its probes are not shown, as writing would change the file" {
    cat > "$work/map.py" << 'END'
import mmap, sys, time
with open(sys.argv[1], "rb") as file:
    memory = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_EXEC)
print("mapped", flush=True)
time.sleep(1000)
END
    start_command root /usr/bin/python3 "$work/map.py" "$(target libplug.so)"
    wait_until 'grep -q mapped "$out"'
    wait_until 'grep -q "libplug.so.*mapped shared" "$mnt/$pid/error_log"'
    # Python has probes of its own: so the directory is listed, and nothing else is in it.
    shown=$(probes_of "$pid" | tr ' ' '\n')
    assert_match "$shown" '*python:*'
    assert_equal "$(grep -vc ^python: <<< "$shown" || true)" 0
}

@test "the last 64, the newest last" {
    start_target demo-ocaml_1 -q
    for text in {100..169}; do
        ! echo "$text" > "$mnt/$pid/enabled" || return 1
    done 2> /dev/null
    assert_equal "$(wc -l < "$error_log")" 64
    assert_equal "$(grep -o '"1[0-9][0-9]' "$error_log" | tr -d '"' | paste -sd' ')" \
        "$(seq 106 169 | paste -sd' ')"
}

@test "callers who may not look into the target displace nobody's lines" {
    start_as a demo-ocaml_1 -q
    pid=$(sed -n 's/^pid //p' "$out")
    adopt "$pid"
    error_log=$mnt/$pid/error_log
    for text in {100..163}; do
        ! echo "$text" > "$mnt/$pid/enabled" || return 1
    done 2> /dev/null
    run_without_ptrace sh -c 'for i in $(seq 70); do ! echo 1 > "$1" || exit 1; done 2> /dev/null' \
        sh "$mnt/$pid/gc_start/enabled"
    assert_equal "$(grep -o '"1[0-9][0-9]"' "$error_log" | tr -d '"' | paste -sd' ')" \
        "$(seq 100 163 | paste -sd' ')"
    assert_match "$(last)" '*gc_start*CAP_SYS_PTRACE*'
    [ "$(grep -c CAP_SYS_PTRACE "$error_log")" -le 8 ]
}

@test "EACCES and EPERM: what can only be read, what cannot be changed, what is not there" {
    start_target demo-ocaml_1 -q
    assert_errno EACCES open-write "$mnt/$pid/gc_start/sites"
    is_sentence "$(last)"
    assert_match "$(last)" "*gc_start/sites*EACCES*only be read*'enabled'*"
    for action in unlink:gc_start/enabled rmdir:gc_start mkdir:gc_start/new mkfifo:new \
        chmod:gc_start/hold; do
        assert_errno EPERM "${action%%:*}" "$mnt/$pid/${action#*:}"
        is_sentence "$(last)"
        assert_match "$(last)" "*'${action#*:}'*EPERM*"
    done
    assert_errno EPERM rename "$mnt/$pid/gc_start/enabled" "$mnt/$pid/gc_start/other"
    assert_match "$(last)" "*rename 'gc_start/enabled'*EPERM*"
    assert_errno ENOENT open-create "$mnt/$pid/gc_start/no%such"$'\e'
    is_sentence "$(last)"
    assert_match "$(last)" "*'gc_start/no%such%1B'*ENOENT*"
}

@test "what callers write is escaped: no raw control character, one line each" {
    start_target demo-ocaml_1 -q
    for text in '\x1b[31mred' '\x07' 'a\nb' '\r' '\x7f' '\x00' '\x9b31m' '1 \x1b]0;title\x07\n'; do
        logs EINVAL enabled "$text"
    done
    logs EINVAL gc_start/semaphore '\x1b[2J'
    logs ENOENT control '1 \x1b[31m%s%n\n'
    logs ENOENT control '1 x\ty\n' "'x'"
    assert_equal "$(LC_ALL=C tr -d '\n\040-\176' < "$error_log" | wc -c)" 0 "raw bytes"
    assert_equal "$(LC_ALL=C tr -d '\n\040-\176' < "$log" | wc -c)" 0 "raw bytes in the server's log"
}

@test "what targets are called is escaped: objects and probes" {
    odd=$work/bin/$'bad\e[31m name\n.so'
    python3 "$tests/targets/forge.py" no-semaphore "$targets/libplug.so" "$odd"
    start_target host -q -l "$odd"
    wait_until 'grep -q "^loaded" "$out"'
    wait_until 'grep -q bad "$error_log"'
    assert_equal "$(wc -l < "$error_log")" 1
    assert_equal "$(LC_ALL=C tr -d '\n\040-\176' < "$error_log" | wc -c)" 0 "raw bytes"
    start_target names
    logs ERANGE '%1B%5B31mred/semaphore' -1 '%1B%5B31mred'
    assert_equal "$(LC_ALL=C tr -d '\n\040-\176' < "$error_log" | wc -c)" 0 "raw bytes"
    assert_equal "$(LC_ALL=C tr -d '\n\040-\176' < "$log" | wc -c)" 0 "raw bytes in the server's log"
}

@test "many readers of one descriptor, while lines come: each reads whole lines" {
    start_target demo-ocaml_1 -q
    python3 "$tests/lib/log_readers.py" "$error_log" "$mnt/$pid/enabled" > "$work/readers"
    assert_equal "$(cat "$work/readers")" 0 "reads that are not whole lines"
    assert_equal "$(wc -l < "$error_log")" 64
}

@test "a very long text is one line" {
    start_target demo-ocaml_1 -q
    head -c 100000 /dev/zero | tr '\0' x > "$work/text"
    assert_equal "$(python3 "$tests/lib/pieces.py" "$mnt/$pid/enabled" "file:$work/text")" EINVAL
    assert_equal "$(wc -l < "$error_log")" 1
    [ "$(wc -c < "$error_log")" -lt 2000 ]
    is_sentence "$(last)"
}

@test "each target has its own, and another program at the same pid begins anew" {
    start_target demo-ocaml_1 -q
    logs EINVAL enabled 2
    start_target demo-ocaml_1 -q
    assert_equal "$(cat "$error_log")" ""
    start_target execer -q "$(target demo-ocaml_1)" -q
    logs EINVAL enabled 2
    kill -USR1 "$pid"
    wait_until "[ \$(grep -c '^pid' '$out') = 2 ]"
    wait_until '[ -d "$mnt/$pid/request" ]'
    assert_equal "$(cat "$error_log")" ""
}

@test "it is read-only, 0400, and the server's log has the same sentences" {
    start_target demo-ocaml_1 -q
    assert_equal "$(stat -c %a "$error_log")" 400
    logs ERANGE gc_start/semaphore -1
    grep -qF -- "$(last | cut -d' ' -f2-)" "$log"
}

# starve PID: leaves it a thousandth of a processor, as a busy machine would. Undone by feed.
starve() {
    local root
    root=$(findmnt -rn -t cgroup -O cpu -o TARGET | head -n 1)
    if [ "$root" ]; then
        mkdir "${group:=$root/probefs-test-$BASHPID}"
        echo 1000000 > "$group/cpu.cfs_period_us"
        echo 1000 > "$group/cpu.cfs_quota_us"
    else
        root=$(findmnt -rn -t cgroup2 -o TARGET | head -n 1)
        echo +cpu > "$root/cgroup.subtree_control"
        mkdir "${group:=$root/probefs-test-$BASHPID}"
        echo 1000 1000000 > "$group/cpu.max"
    fi
    echo "$1" > "$group/cgroup.procs"
}

feed() {
    [ ! -d "${group:-}" ] || wait_until 'rmdir "$group"' > /dev/null 2>&1
}

@test "a worker that gets no processor: that is said, and nothing that was mapped is blamed" {
    mkdir "$work/second"
    PROBEFS_PATIENCE=1 start_server_at root "$work/second"
    start_command a "$(target many-1000)"
    target=$pid error_log=$work/second/$pid/error_log
    wait_until '[ -d "$work/second/$target/probe_00000" ]'
    starve "$(workers_of "$server" a)"
    wait_until 'errno_of write "$work/second/$target/enabled" 1 | grep -q ETIMEDOUT'
    assert_match "$(head -n 1 "$error_log")" "*too little processor time*this machine is busy*"
    grep -q 'did not answer in time and was ended: it got little processor time' "$log"
    assert_equal "$(cat "$error_log" "$log" | grep -c mapped)" 0
}
