#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# What watching does to semaphores and sites, what is left behind, and who else may be there. Through
# the library.

load lib/session-with-users
load lib/tracers
load lib/watcher

setup() {
    session_begin
    tracers=() tracefs_mounted=
    watcher_begin
}

teardown() {
    tracers_end
    session_end
}

@test "OCaml's probes fire on or off, and watching switches none" {
    local site
    start demo-ocaml_1
    site=$(site_of "$pid" gc_start)
    watch "$pid" gc_start
    assert_equal "$(peek "$pid" bytes "$site" 1)" cc
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    wait_until "grep -q ' gc_start' '$trace'"
    end_watch
    assert_equal "$(peek "$pid" bytes "$site" 1)" 90
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

# In the format `ocaml` the kernel counts in the counter that also says whether the probe is on.
@test "a probe that is watched reads off, and can be switched meanwhile, also where the kernel counts" {
    local probe
    start demo-ocaml
    start_server
    probe=$mnt/$pid/gc_start
    echo 0 > "$mnt/$pid/boot/enabled"
    watch "$pid"
    assert_equal "$(memory_of "$pid" gc_start)" "1 off"
    assert_equal "$(cat "$probe/enabled" "$mnt/$pid/enabled" "$probe/semaphore")" $'0\n0\n1'
    assert_errno ERANGE write "$probe/semaphore" -1
    assert_errno EBUSY write "$probe/enabled" 0
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
        "*a kernel tracer (*, another watcher) counts in *"
    echo 1 > "$probe/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "2 on"
    assert_equal "$(< "$probe/enabled")" 1
    echo -1 > "$probe/semaphore"
    assert_equal "$(memory_of "$pid" gc_start)" "1 off"
    exec 9> "$probe/hold"
    assert_equal "$(memory_of "$pid" gc_start)" "2 on"
    end_watch
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    assert_equal "$(< "$probe/enabled")" 1
    exec 9>&-
    look "$pid"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

# call_of SITE: the first byte of the five-byte nop, as peek's words say it.
call_of() {
    peek "$pid" bytes "$(printf '%x' $((0x$1 + 1)))" 5
}

# From Linux 6.18 on the kernel makes a call of a five-byte nop that has a uprobe, when it is hit.
@test "the five-byte nop of libbpf's usdt.h: watched, and all of its bytes are back" {
    local each nop=0f1f440000 before
    start combo -i 10
    before=$(peek "$pid")
    watch "$pid" lib:warm lib:cold lib:direct
    wait_until "[ \"\$(grep -c lib:warm '$trace')\" -gt 3 ]"
    for each in warm cold; do
        assert_equal "$(counts_of "$pid" "$each")" 1
    done
    # Where the trap stands on the nop in front, the kernel makes no calls.
    if [ "$(memory_of "$pid" cold)" = "1 nop" ]; then
        assert_match "$(call_of "$(site_of "$pid" warm)")" "e8*"
        assert_match "$(call_of "$(site_of "$pid" cold)")" "cc*"
    fi
    assert_equal "$(firings | grep -c lib:cold)" 0
    says ' lib:direct' "$trace"
    end_watch
    for each in warm cold; do
        assert_equal "$(call_of "$(site_of "$pid" "$each")")" "$nop"
        assert_equal "$(counts_of "$pid" "$each")" 0
    done
    assert_equal "$(peek "$pid")" "$before"
    # A second time, and by a watcher that is killed.
    watch "$pid" lib:warm
    says ' lib:warm' "$trace"
    kill -KILL "$watch"
    wait "$watch" || true
    wait_until '[ "$(peek "$pid")" = "$before" ]' 30
    assert_equal "$(call_of "$(site_of "$pid" warm)")" "$nop"
}

@test "while it is watched a probe is on; then its semaphore and site are as before" {
    local before
    shoot 1 1
    before=$(peek "$pid")
    assert_equal "$(memory_of "$pid" shot)" "0 nop"
    watch "$pid" burst:shot
    assert_equal "$(memory_of "$pid" shot)" "1 trap"
    end_watch
    assert_equal "$(peek "$pid")" "$before"
    assert_equal "$(holders)" ""
}

@test "a reference that somebody has in the semaphore stays" {
    shoot 1 1
    peek "$pid" poke "$(counter_of "$pid" shot)" 0500
    watch "$pid" burst:shot
    assert_equal "$(memory_of "$pid" shot)" "6 trap"
    end_watch
    assert_equal "$(memory_of "$pid" shot)" "5 nop"
}

@test "a watcher that is killed leaves nothing" {
    local before
    shoot 1 1
    before=$(peek "$pid")
    watch "$pid"
    kill -KILL "$watch"
    wait "$watch" || true
    wait_until '[ "$(peek "$pid")" = "$before" ]' 30
    wait_until '[ -z "$(holders)" ]' 30
}

@test "a watcher that is killed at any moment of attaching and detaching leaves nothing" {
    local before i step=1
    ! is_sanitized || step=2
    python3 -B "$tests/targets/many.py" -p 2000 -s 3 -P web --build "$work/bin/many"
    start many
    before=$(peek "$pid")
    for ((i = 1; i <= 24; i += step)); do
        "$watcher" "$pid" >"$work/out/killed" 2>&1 </dev/null 3>&- &
        watch=$!
        if ((i % 3 == 0)); then
            wait_until "grep -q '^watching' '$work/out/killed' || ! kill -0 $watch"
            kill -TERM "$watch"
            sleep 0.00$((i % 10))
        else
            sleep "0.$(printf '%02d' $((i * 2)))"
        fi
        kill -KILL "$watch" 2>/dev/null || true
        wait "$watch" 2>/dev/null || true
        wait_until '[ -z "$(holders)" ]' 30
        assert_equal "$(peek "$pid")" "$before" "after the kill of round $i"
    done
}

# Nobody has a reason to kill what attaches; the kernel leaves breakpoints behind then. Linux 6.18 also
# leaks its records of the sites ("leaking uprobe" in its log), and each names an inode that it does
# not hold: a later file whose inode comes to the same address is refused its own semaphores. So the
# program stays until the machine is started anew, as the records do.
@test "what is left where the process that attaches is killed, the next attach mends" {
    local before i left=0 program=/dev/shm/probefs-test-killed
    [ -x "$program" ] || python3 -B "$tests/targets/many.py" -p 2000 -s 3 -P web --build "$program"
    start_command root "$program"
    wait_until 'grep -q "^pid" "$out"'
    before=$(peek "$pid")
    for i in {1..6}; do
        python3 -ISB - "$watcher" "$pid" "$i" <<'END'
import os, subprocess, sys, time
def holder():
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", "rb") as comm:
                if comm.read() == b"probe-holder\n" and os.readlink(f"/proc/{pid}/exe") == watcher:
                    return int(pid)
        except OSError:
            pass
    return None
watcher = sys.argv[1]
with subprocess.Popen(sys.argv[1:3], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as watch:
    while watch.poll() is None and not (found := holder()):
        pass
    time.sleep(int(sys.argv[3]) * 0.003)
    if found:
        os.kill(found, 9)
    watch.terminate()
END
        wait_until '[ -z "$(holders)" ]' 30
        [ "$(peek "$pid")" = "$before" ] || left=$((left + 1))
        watch "$pid"
        end_watch
        assert_equal "$(peek "$pid")" "$before" "after round $i"
    done
    echo "left something: $left of 6"
}

# The kernel has one reference in a semaphore for each site, whoever watches it.
@test "bpftrace on the same probe before, during and after" {
    needs_bpftrace
    start sdt -i 20
    trace "$work/bin/sdt" web:request_start "$pid" request_start
    watch "$pid" web:request_start
    assert_equal "$(counts_of "$pid" request_start)" 1
    wait_until "grep -q ' web:request_start' '$trace'"
    untrace "$tracer"
    assert_equal "$(counts_of "$pid" request_start)" 1
    says ' web:request_start' "$trace"
    bpftrace -e 'usdt:'"$work/bin/sdt"':web:request_start { printf("seen\n"); }' -p "$pid" \
        >"$work/out/beside" 2>&1 </dev/null 3>&- &
    tracers+=($!)
    wait_until "grep -q ^seen '$work/out/beside'"
    says ' web:request_start' "$trace"
    end_watch
    assert_equal "$(counts_of "$pid" request_start)" 1
    says ^seen "$work/out/beside"
    untrace "${tracers[-1]}"
    wait_until '[ "$(counts_of "$pid" request_start)" = 0 ]'
}

@test "perf on the same probe before, during and after" {
    local event=probefs_perf_$$ counter site semaphore
    needs_bpftrace
    start sdt -i 20
    read -r site semaphore < <(readelf -nW "$work/bin/sdt" | awk '
        $1 == "Name:" { found = $2 == "request_start" }
        found && $1 == "Location:" { sub(/,/, "", $2); print $2, $NF; exit }')
    uprobes+=("$event")
    printf 'p:%s/behind %s:%#x(%#x)\n' "$event" "$work/bin/sdt" \
        "$(offset_in "$work/bin/sdt" "$site")" "$(offset_in "$work/bin/sdt" "$semaphore")" \
        >> /sys/kernel/tracing/uprobe_events
    # counts SECONDS: does perf see firings?
    counts() {
        perf stat -x, -e "$event:behind" -p "$pid" -o "$work/counts" -- sleep "$1" </dev/null 3>&-
        awk -F, '/behind/ { found = $1 > 0 } END { exit !found }' "$work/counts"
    }
    counts 4 & # before
    counter=$!
    wait_until '[ "$(counts_of "$pid" request_start)" = 1 ]'
    watch "$pid" web:request_start
    assert_equal "$(counts_of "$pid" request_start)" 1
    says ' web:request_start' "$trace"
    wait "$counter"
    says ' web:request_start' "$trace"
    wait_until 'counts 0.5' # during
    assert_equal "$(counts_of "$pid" request_start)" 1
    end_watch
    wait_until '[ "$(counts_of "$pid" request_start)" = 0 ]'
    wait_until 'counts 0.5' # after
    wait_until '[ "$(memory_of "$pid" request_start)" = "0 nop" ]'
}

# A debugger puts a breakpoint of its own there, and takes away what it put.
@test "gdb on the same probe before, during and after" {
    local before
    debug() {
        timeout "$(patient 60)" gdb -batch -nx -p "$pid" -ex 'break -probe-stap web:request_start' \
            -ex "$1" -ex continue -ex delete -ex detach >"$work/out/gdb" 2>&1 </dev/null 3>&-
    }
    start sdt -i 20
    before=$(peek "$pid")
    debug 'ignore 1 2'
    assert_match "$(< "$work/out/gdb")" "*Breakpoint 1, *"
    watch "$pid" web:request_start
    says ' web:request_start' "$trace"
    # Where the kernel has a breakpoint, too, it takes what is hit for its own.
    debug 'tbreak sigtimedwait'
    assert_match "$(< "$work/out/gdb")" "*Temporary breakpoint 2, *"
    says ' web:request_start' "$trace"
    assert_equal "$(counts_of "$pid" request_start)" 1
    end_watch
    assert_equal "$(peek "$pid")" "$before"
    debug 'ignore 1 2'
    assert_match "$(< "$work/out/gdb")" "*Breakpoint 1, *"
    assert_equal "$(peek "$pid")" "$before"
    is_running "$pid"
}

@test "a tracer that names no semaphore is in the way, and nothing is left of the attempt" {
    local before event=probefs_test_$$
    needs_bpftrace
    shoot 1 1
    before=$(peek "$pid")
    # Where the nop is in the file: the program is a PIE, whose first segment is at offset 0.
    local base site
    base=$(awk '$6 ~ /burst$/ { split($1, range, "-"); print range[1]; exit }' "/proc/$pid/maps")
    site=$(site_of "$pid" shot)
    echo "p:$event/shot $work/bin/burst:0x$(printf %x $((0x$site - 0x$base)))" \
        >> /sys/kernel/tracing/uprobe_events
    echo 1 > "/sys/kernel/tracing/events/$event/enable"
    watch_fails "another tracer" "$pid"
    echo 0 > "/sys/kernel/tracing/events/$event/enable"
    echo "-:$event/shot" >> /sys/kernel/tracing/uprobe_events
    wait_until '[ "$(peek "$pid")" = "$before" ]'
    watch "$pid" burst:shot
    end_watch
}

@test "two probes in one place, each with a semaphore: both are watched, and the first's is raised" {
    start folded -i 10
    watch "$pid"
    says ' fold:first' "$trace"
    says ' fold:second' "$trace"
    assert_equal "$(counts_of "$pid" first) $(counts_of "$pid" second)" "1 0"
    end_watch
    assert_equal "$(counts_of "$pid" first) $(counts_of "$pid" second)" "0 0"
    watch "$pid" fold:second
    assert_equal "$(counts_of "$pid" first) $(counts_of "$pid" second)" "0 1"
    # Another watcher names the other semaphore.
    watch_fails "another tracer" "$pid" fold:first
    end_watch
}

@test "a semaphore without room for the kernel's references: ERANGE" {
    shoot 1 1
    peek "$pid" poke "$(counter_of "$pid" shot)" fe7f # 32766
    watch_fails "the semaphore of 'burst:shot' is 32766" "$pid" burst:shot
    assert_equal "$(memory_of "$pid" shot)" "32766 nop"
    peek "$pid" poke "$(counter_of "$pid" shot)" fd7f
    watch "$pid" burst:shot
    assert_equal "$(memory_of "$pid" shot)" "32766 trap"
    end_watch
    assert_equal "$(memory_of "$pid" shot)" "32765 nop"
}

@test "too many sites for perf events" {
    start many-1000
    watch_fails "only 64 can be watched" -p "$pid"
    watch -p "$pid" probe_00000 probe_00001
    kill -USR1 "$pid"
    wait_until "grep -q ' probe_00001' '$trace'"
    end_watch
}

@test "who lacks the capabilities is told so" {
    start_as a burst -w 1 1
    run_as a "$watcher" "$pid" >"$work/out/refused" 2>&1 && false
    assert_match "$(< "$work/out/refused")" "*needs CAP_BPF and CAP_PERFMON*"
    # Root watches any user's.
    watch "$pid" burst:shot
    fire
    wait_until "grep -q ' burst:shot 0 1' '$trace'"
    end_watch
}

@test "code on a FUSE mount is not watched" {
    mkdir "$work/far"
    "$build/tests/fuse-hang/fuse-hang" "$(target burst)" "$work/far" >"$work/out/far" 2>&1 3>&- &
    adopt $!
    mounts+=("$work/far")
    wait_until '[ -e "$work/far/file" ]'
    start_command root "$work/far/file" -w 1 1
    wait_until "grep -q '^pid' '$out'"
    watch_fails "on a FUSE mount" "$pid"
    stop "$pid"
}
