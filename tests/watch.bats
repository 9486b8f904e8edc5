#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Probes that are watched, through the library: what lines say, and who is seen.

load lib/session-with-users
load lib/watcher

setup() {
    session_begin
    watcher_begin
}

teardown() {
    session_end
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
