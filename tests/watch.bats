#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Probes that are watched, through the library: what lines say, who is seen, what is left behind.

load lib/session-with-users
load lib/tracers

setup() {
    session_begin
    tracers=() tracefs_mounted=
    watcher=$work/bin/watcher
    cp "$targets/watcher" "$watcher"
}

teardown() {
    tracers_end
    session_end
}

# watch [OPTION]... PID [NAME]...: in the background, and waits until it watches. Sets: watch (its
# pid), trace (the file with its lines).
watch() {
    watches=$((${watches:-0} + 1))
    trace=$work/out/trace-$watches
    "$watcher" "$@" >"$trace" 2>"$trace.err" </dev/null 3>&- &
    watch=$!
    adopt "$watch"
    wait_until "grep -q '^watching' '$trace.err' || ! kill -0 $watch"
    grep -q '^watching' "$trace.err" || { cat "$trace.err"; return 1; }
}

# watch_fails TEXT [OPTION]... PID [NAME]...: it says so, and watches nothing.
watch_fails() {
    local text=$1 status=0
    shift
    "$watcher" "$@" >"$work/out/refused" 2>&1 3>&- || status=$?
    assert_equal "$status" 1 "exit status of watcher $*"
    assert_match "$(< "$work/out/refused")" "*$text*"
}

# end_watch: tells the watcher to end, and waits for it.
end_watch() {
    kill -TERM "$watch" 2>/dev/null || true
    wait "$watch"
}

# shoot [OPTION]... THREADS SHOTS: a burst that waits. Then `fire` lets it go, and waits.
shoot() {
    start burst -w "$@"
}

fire() {
    kill -USR1 "$pid"
    wait_until "grep -q '^shots' '$out'" 60
}

# firings: the lines of the trace, without times. lost: how many firings it says are missing.
firings() {
    sed -n 's/^[^ #]*Z //p' "$trace"
}

lost() {
    awk '$1 == "#" && $2 == "lost" { sum += $3 } END { print sum + 0 }' "$trace"
}

# is_complete NAME COUNT: lines and what was lost are the firings, and so say the counts.
is_complete() {
    assert_equal "$(($(firings | grep -c " $1 ") + $(lost)))" "$2" "lines and lost"
    assert_equal "$(grep "^hits .* $1$" "$trace")" "hits $2 $1"
    assert_equal "$(grep '^missed' "$trace")" "missed $(lost)"
}

# holders: the processes that hold what this test's watchers have attached. Tests run beside each
# other, each with a watcher of its own.
holders() {
    local each
    for each in $(ps -eo pid,stat,comm | awk '$3 ~ /^probe-holder/ && $2 !~ /^Z/ { print $1 }'); do
        [ "$(readlink "/proc/$each/exe")" != "$watcher" ] || echo "$each"
    done
}

@test "every kind of operand, and strings on pages that were never touched" {
    start operands
    watch "$pid"
    kill -USR1 "$pid"
    wait_until "grep -q '^done' '$out' && grep -q untouched '$trace'"
    kill -USR1 "$pid"
    end_watch
    grep '^watched:' "$out" > "$work/expected"
    assert_equal "$(wc -l < "$work/expected")" 22
    firings | cut -d' ' -f2- | diff -u "$work/expected" -
}

@test "the same by perf events" {
    start operands
    watch -p "$pid"
    kill -USR1 "$pid"
    wait_until "grep -q '^done' '$out' && grep -q untouched '$trace'"
    kill -USR1 "$pid"
    end_watch
    grep '^watched:' "$out" > "$work/expected"
    firings | cut -d' ' -f2- | diff -u "$work/expected" -
}

@test "the same through an attacher, without capabilities" {
    start operands
    watch -a "$pid"
    kill -USR1 "$pid"
    wait_until "grep -q '^done' '$out' && grep -q untouched '$trace'"
    kill -USR1 "$pid"
    end_watch
    grep '^watched:' "$out" > "$work/expected"
    firings | cut -d' ' -f2- | diff -u "$work/expected" -
}

@test "a line: the time in UTC, the thread, the probe, its arguments" {
    local before after line
    shoot 1 1
    watch "$pid" burst:shot
    before=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
    fire
    after=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
    wait_until "grep -q burst:shot '$trace'"
    line=$(head -n 1 "$trace")
    [[ $line =~ ^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)" $pid burst:shot 0 1"$ ]]
    [[ ! ${BASH_REMATCH[1]} < $before && ! ${BASH_REMATCH[1]} > $after ]]
}

@test "the end of a process is the end of its trace" {
    shoot 1 3
    watch "$pid" burst:shot
    fire
    kill -USR1 "$pid"
    wait "$watch"
    assert_equal "$(firings | cut -d' ' -f2-)" $'burst:shot 0 1\nburst:shot 0 2\nburst:shot 0 3'
    assert_equal "$(grep '^#' "$trace")" "# ended"
    is_complete burst:shot 3
}

@test "all threads, those born later, each in its order" {
    shoot 8 2000
    watch "$pid" burst:shot
    fire
    kill -USR1 "$pid"
    wait "$watch"
    is_complete burst:shot 16000
    assert_equal "$(lost)" 0
    assert_equal "$(firings | awk '{ print $1 }' | sort -u | wc -l)" 8
    # TID burst:shot THREAD SHOT
    firings | awk '$4 != seen[$3] + 1 { exit 1 } { seen[$3] = $4 }'
}

@test "children are not seen, and keep nothing" {
    shoot -f 2 1000
    watch "$pid" burst:shot
    fire
    kill -USR1 "$pid"
    wait "$watch"
    is_complete burst:shot 2000
}

@test "after an exec nothing is seen, not even by the same file" {
    shoot -e 1 3
    watch "$pid" burst:shot
    fire
    kill -USR1 "$pid"
    wait_until "grep -q '^shots 5' '$out'"
    wait "$watch"
    is_complete burst:shot 3
    assert_equal "$(grep '^#' "$trace")" "# exec"
}

@test "lines and what is lost are all firings, however slow the reader" {
    shoot 2 100000
    watch -r 65536 -s 20 "$pid" burst:shot
    fire
    kill -USR1 "$pid"
    wait "$watch"
    is_complete burst:shot 200000
    [ "$(lost)" -gt 0 ]
    # In its place: behind what is missing the shots go on.
    firings | awk '$4 <= seen[$3] { exit 1 } { seen[$3] = $4 }'
}

@test "a reader that is stopped for a while misses what it says, and no more" {
    shoot 1 300000
    watch -r 1048576 "$pid" burst:shot
    kill -STOP "$watch"
    fire
    kill -CONT "$watch"
    kill -USR1 "$pid"
    wait "$watch"
    is_complete burst:shot 300000
    [ "$(lost)" -gt 0 ]
}

@test "with room enough nothing is lost" {
    shoot -s 1 100000
    watch -r 67108864 "$pid" burst:named
    fire
    kill -USR1 "$pid"
    wait "$watch"
    is_complete burst:named 100000
    assert_equal "$(lost)" 0
    assert_equal "$(firings | tail -n 1 | cut -d' ' -f2-)" \
        'burst:named 0 100000 "a string of some length"'
}

@test "counts only: exact, and no lines" {
    shoot 4 50000
    watch -c "$pid" burst:shot
    fire
    kill -USR1 "$pid"
    wait "$watch"
    assert_equal "$(grep '^hits' "$trace")" "hits 200000 burst:shot"
    assert_equal "$(firings)" ""
}

@test "python3's garbage collector" {
    cat > "$work/collect.py" <<'END'
import gc, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("ready", flush=True)
signal.sigwait({signal.SIGUSR1})
gc.collect(1)
gc.collect()
END
    start_command root /usr/bin/python3 "$work/collect.py"
    wait_until "grep -q ready '$out'"
    watch "$pid" python:gc__start python:gc__done
    kill -USR1 "$pid"
    wait "$watch"
    # The argument is the generation; at the end of the program it collects once more.
    assert_equal "$(firings | grep gc__start | head -n 2 | cut -d' ' -f2-)" \
        $'python:gc__start 1\npython:gc__start 2'
    assert_match "$(firings | sed -n 2p)" "$pid python:gc__done *"
}

# (function__entry does not fire for calls from Python to Python in 3.11.)
@test "python3's functions: files, names and lines, exactly" {
    cat > "$work/calls.py" <<'END'
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
def fun(depth):
    return fun(depth - 1) if depth else 0
print("ready", flush=True)
signal.sigwait({signal.SIGUSR1})
fun(99)
print("done", flush=True)
signal.sigwait({signal.SIGUSR1})
END
    start_command root /usr/bin/python3 "$work/calls.py"
    wait_until "grep -q ready '$out'"
    watch "$pid" python:function__return
    kill -USR1 "$pid"
    wait_until "grep -q done '$out' && [ \"\$(grep -c '__return .* .fun. ' '$trace')\" = 100 ]"
    end_watch
    assert_equal "$(lost)" 0
    assert_equal "$(firings | grep -c "python:function__return \"$work/calls.py\" \"fun\" 4$")" 100
    assert_equal "$(firings | grep -c ' [?]')" 0
}

@test "C++'s exceptions, which have no semaphore" {
    cat > "$work/throws.cpp" <<'END'
#include <csignal>
#include <cstdio>
#include <stdexcept>
static void wait_for_usr1() {
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    std::puts("ready");
    std::fflush(stdout);
    sigwait(&set, &got);
}
int main() {
    wait_for_usr1();
    for (int i = 0; i < 3; i++) {
        try {
            throw std::runtime_error("thrown");
        } catch (const std::exception &) {
        }
    }
    wait_for_usr1();
}
END
    g++ -O1 -o "$work/bin/throws" "$work/throws.cpp"
    start_command root "$work/bin/throws"
    wait_until "grep -q ready '$out'"
    watch -u "$pid" libstdcxx:throw libstdcxx:catch
    kill -USR1 "$pid"
    wait_until "[ \"\$(grep -c ready '$out')\" = 2 ] && [ \"\$(grep -c catch '$trace')\" = 3 ]"
    end_watch
    assert_equal "$(firings | awk '{ print $2, NF }')" \
        "$(for _ in 1 2 3; do echo "libstdcxx:throw 4"; echo "libstdcxx:catch 4"; done)"
    # Both say which exception (its address) and of which type.
    assert_equal "$(firings | awk '{ print $3, $4 }' | grep -vc '^0x[0-9a-f]* 0x[0-9a-f]*$')" 0
    assert_equal "$(firings | awk '{ print $4 }' | sort -u | wc -l)" 1
}

@test "a library that is loaded later joins" {
    start host "$(target libplug.so)"
    watch "$pid"
    kill -USR1 "$pid"
    wait_until "grep -q ' plug_hit' '$trace'"
    end_watch
    firings | grep -q ' gc_start'
}

@test "a library that is loaded later joins through an attacher" {
    start host "$(target libplug.so)"
    watch -a "$pid"
    kill -USR1 "$pid"
    wait_until "grep -q ' plug_hit' '$trace'"
    end_watch
    firings | grep -q ' gc_start'
}

@test "a process whose main thread has ended" {
    start threads -e -i 10 2
    wait_until "grep -q '^State:.Z' /proc/$pid/status"
    watch "$pid" gc_start
    wait_until "grep -q ' gc_start' '$trace'"
    end_watch
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
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
    assert_equal "$(cat "$probe/enabled")" 1
    echo -1 > "$probe/semaphore"
    assert_equal "$(memory_of "$pid" gc_start)" "1 off"
    exec 9> "$probe/hold"
    assert_equal "$(memory_of "$pid" gc_start)" "2 on"
    end_watch
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    assert_equal "$(cat "$probe/enabled")" 1
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
    local before i
    python3 -B "$tests/targets/many.py" -p 2000 -s 3 -P web --build "$work/bin/many"
    start many
    before=$(peek "$pid")
    for i in {1..24}; do
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

# Nobody has a reason to kill what attaches; the kernel leaves breakpoints behind then.
@test "what is left where the process that attaches is killed, the next attach mends" {
    local before i left=0
    python3 -B "$tests/targets/many.py" -p 2000 -s 3 -P web --build "$work/bin/many"
    start many
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

@test "6000 sites, and all are seen" {
    python3 -B "$tests/targets/many.py" -p 2000 -s 3 -P web --build "$work/bin/many"
    start many
    watch "$pid"
    assert_equal "$(holders | wc -l)" 1
    kill -USR1 "$pid"
    wait_until "[ \"\$(sed -n 's/^[^ ]*Z [0-9]* \([^ ]*\).*/\1/p' '$trace' | sort -u | wc -l)\" = 2000 ]" 30
    end_watch
    assert_equal "$(peek "$pid" | awk '$6 == "trap" || $4 != 0' | head -n 3)" ""
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

@test "many watchers of one process" {
    local each all=()
    shoot 2 5000
    for each in {1..6}; do
        watch "$pid" burst:shot
        all+=("$watch:$trace")
    done
    assert_equal "$(memory_of "$pid" shot)" "1 trap"
    fire
    kill -USR1 "$pid"
    for each in "${all[@]}"; do
        wait "${each%%:*}"
        trace=${each#*:}
        is_complete burst:shot 10000
    done
}
