#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# probe-run -t: the trace of a program from its first instruction.

load lib/session-with-users
load lib/programs

setup() {
    session_begin
    prepare_programs
    trace=$work/out/trace
}

# traced [OPTION]... PROGRAM [ARGUMENT]...: status 0, and the trace in $trace, to its end.
traced() {
    has_status 0 "$probe_run" -t -o "$trace" "$@"
    wait_until "ends"
}

# ends: the trace is complete.
ends() {
    tail -n 1 "$trace" | grep -qx '# \(ended\|exec\)'
}

# firings [FILE]: the lines, without times and threads.
firings() {
    sed -n 's/^[^ #]*Z [0-9]* //p' "${1:-$trace}"
}

# start_traced [OPTION]... PROGRAM [ARGUMENT]...: in the background, its trace in $trace.
start_traced() {
    start_command root "$probe_run" -t -o "$trace" "$@"
    wait_until 'grep -q "^pid" "$out"'
}

# holders: the processes that hold what probe-runs of this test have attached.
holders() {
    "$targets/running" "$probe_run" probe-holder
}

# helpers: the processes that print a trace, each nobody's child.
helpers() {
    "$targets/running" "$probe_run" probe-run
}

# nothing_runs: no process of a trace.
nothing_runs() {
    wait_until '[ ! "$(holders)$(helpers)" ]'
}

# is_as_without_trace: the probe of $pid, an sdt, is on, and the kernel has neither reference nor
# breakpoint. The process runs.
is_as_without_trace() {
    wait_until '[ "$(memory_of "$pid" query)" = "1 nop" ]'
    is_running "$pid"
}

@test "each firing from the first on, in order, with its arguments" {
    traced "$(target demo-ocaml_1)" -q -n 2 -i 0
    assert_equal "$(firings)" "$(printf '%s\n' boot gc_start gc_stop 'request 0' 'request 1' \
        'request 2' idle boot gc_start gc_stop 'request 1' 'request 3' 'request 5' idle)"
    assert_equal "$(tail -n 1 "$trace")" "# ended"
    assert_match "$(head -n 1 "$trace")" "[0-9][0-9][0-9][0-9]-*T*Z $(sed -n 's/^pid //p' "$work/out/command") boot"
    traced -e web:request_start "$(target sdt)" -q -n 2 -i 0
    assert_equal "$(firings)" $'web:request_start 0 "/index.html"\nweb:request_start 1 "/index.html"'
}

@test "the very first instruction, with and without a loader" {
    for each in first first-dynamic; do
        has_status 42 "$probe_run" -t -o "$trace" "$(target $each)"
        wait_until ends
        assert_equal "$(firings)" first
    done
}

@test "on the standard error, beside what the program says there" {
    "$probe_run" -t "$(target demo-ocaml_1)" -n 1 -i 0 > "$work/out/1" 2> "$work/out/2"
    wait_until 'tail -n 1 "$work/out/2" | grep -qx "# ended"'
    assert_equal "$(firings "$work/out/2" | wc -l)" 7
    grep -qx 'boot: round 0' "$work/out/1"
    # Who reads it through a pipe gets all of it.
    assert_equal "$("$probe_run" -t "$(target demo-ocaml_1)" -q -n 50 -i 0 2>&1 | tail -n 1)" "# ended"
}

@test "chosen with -e, without those of -d" {
    traced -e 'gc_*' -e request -d gc_stop "$(target demo-ocaml_1)" -q -n 1 -i 0
    assert_equal "$(firings)" $'gc_start\nrequest 0\nrequest 1\nrequest 2'
    traced -e gc_start,gc_stop "$(target demo-ocaml_1)" -q -n 1 -i 0
    assert_equal "$(firings)" $'gc_start\ngc_stop'
    # They are on, as without -t.
    has_status 0 "$probe_run" -t -o "$trace" -e late "$report"
    says_line "late 1"
    says_line "early 0"
}

@test "probes without a semaphore" {
    cat > "$work/thrower.cc" << 'END'
#include <stdexcept>
int main() { for (int i = 0; i < 3; i++) try { throw std::runtime_error("x"); } catch (...) { } }
END
    "${CXX:-g++}" -o "$work/bin/thrower" "$work/thrower.cc"
    traced -e libstdcxx:throw "$work/bin/thrower"
    assert_equal "$(firings | cut -d' ' -f1)" "$(printf 'libstdcxx:throw\n%.0s' 1 2 3)"
    traced -d '*:rethrow' "$work/bin/thrower"
    assert_equal "$(firings | cut -d' ' -f1 | uniq | paste -sd' ')" \
        "$(printf 'libstdcxx:throw libstdcxx:catch %.0s' 1 2 3 | sed 's/ $//')"
    # Without -t, that is what the message says.
    has_status 2 "$probe_run" -e libstdcxx:throw "$work/bin/thrower"
    assert_match "$(cat "$work/out/command")" "*can be watched, not switched: -t prints its trace*"
    has_status 2 "$probe_run" -t -e libstdcxx:none "$work/bin/thrower"
}

@test "a program without probes" {
    traced true
    assert_equal "$(cat "$trace")" "# ended"
}

@test "what is loaded later joins" {
    start_traced "$(target host)" -q -i 20 "$(target libplug.so)"
    wait_until 'grep -q gc_start "$trace"'
    run ! grep -q plug_hit "$trace"
    tell USR1 '^loaded'
    wait_until 'grep -q plug_hit "$trace"'
    stop "$pid"
    wait_until ends
}

@test "no firing is missing: lines and what was lost are all of them" {
    traced "$(target burst)" 2 50000
    assert_equal "$(($(firings | grep -c '^burst:shot ') +
        $(awk '$1 == "#" && $2 == "lost" { sum += $3 } END { print sum + 0 }' "$trace")))" 100000
}

@test "the program finds what it finds without: descriptors, signals, no children" {
    "$report" 3>&- | sed '/^pid\|^early\|^late/d' > "$work/before"
    traced "$report"
    sed '/^pid\|^early\|^late/d' "$work/out/command" | diff "$work/before" -
    has_status 0 "$probe_run" -t "$report"
    grep -v '^[0-9#].*\(Z\|ended\)' "$work/out/command" | sed '/^pid\|^early\|^late/d' |
        diff "$work/before" -
}

@test "its pid, terminal, signals and status are its own" {
    has_status 7 "$probe_run" -t -o "$trace" "$report" exit 7
    start_traced "$(target demo-ocaml_1)" -q -i 20
    assert_equal "$(sed -n 's/^pid //p' "$out")" "$pid"
    wait_until 'grep -q gc_start "$trace"'
    assert_equal "$(pgrep -P "$pid" || true)" "" children
    assert_equal "$(sed -n 's/^TracerPid:\t//p' "/proc/$pid/status")" 0
    pause_process "$pid"
    kill -CONT "$pid"
    says ' idle' "$trace"
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    assert_equal "$status" 143
    wait_until ends
    nothing_runs
}

@test "the guide's recipe" {
    awk '/^```sh/ { inside = 1; next } /^```/ { inside = 0 } inside && /probe-run -t/ { on = 1 }
        inside && on; !inside { on = 0 }' "$tests/../doc/GUIDE.md" > "$work/recipe"
    grep -q uniq "$work/recipe"
    PATH=$work/bin:$PATH bash "$work/recipe" > "$work/out/counted"
    # One of generation 1, and of the whole heap one and those at the end.
    grep -qE '^ *1 python:gc__start 1$' "$work/out/counted"
    grep -qE '^ *[2-9] python:gc__start 2$' "$work/out/counted"
}

@test "exec ends the trace; -f follows to the program that has the probes" {
    traced -e burst:shot "$(target burst)" -e 1 3
    assert_equal "$(firings)" $'burst:shot 0 1\nburst:shot 0 2\nburst:shot 0 3'
    assert_equal "$(tail -n 1 "$trace")" "# exec"
    traced -f -e idle sh -c "exec env '$(target demo-ocaml_1)' -q -n 2 -i 0"
    assert_equal "$(firings)" $'idle\nidle'
    # One that never comes has no trace.
    has_status 0 "$probe_run" -f -t -o "$trace" -e nope sh -c 'exec true'
    assert_match "$(cat "$work/out/command")" "*no program that it became had a probe*'nope'"
    assert_equal "$(cat "$trace")" ""
}

@test "where it cannot be watched: status 2, a sentence, and nothing runs" {
    has_status 2 run_as a "$probe_run" -t touch "$work/ran"
    assert_match "$(cat "$work/out/command")" "probe-run: *needs CAP_BPF and CAP_PERFMON*"
    has_status 2 unshare --pid --fork --mount-proc "$probe_run" -t touch "$work/ran"
    assert_match "$(cat "$work/out/command")" "probe-run: *namespace of processes*"
    for each in /nowhere/trace "$work"; do
        has_status 2 "$probe_run" -t -o "$each" touch "$work/ran"
        assert_match "$(cat "$work/out/command")" "probe-run: cannot write the trace to $each: *"
    done
    has_status 2 "$probe_run" -t -e nope -o "$trace" touch "$work/ran"
    [ ! -e "$trace" ]
    has_status 2 "$probe_run" -o "$trace" touch "$work/ran"
    has_status 2 "$probe_run" -t -l touch
    [ ! -e "$work/ran" ]
}

@test "where descriptors are too few, that is what it says, and not that the kernel cannot" {
    local limit
    for limit in {8..16}; do
        ! bash -c 'ulimit -n "$0" && exec "$@"' "$limit" "$probe_run" -t "$report" \
            >"$work/out/command" 2>&1 || return 1
        grep -q ': Too many open files$' "$work/out/command"
        says_nothing_of kernel
    done
}

@test "where they are too few to look for libraries: no library is said to be missing" {
    local limit
    for limit in {4..12}; do
        bash -c 'ulimit -n "$0" && exec "$@"' "$limit" "$probe_run" -l "$(target host)" \
            >"$work/out/command" 2>&1 || grep -q 'Too many open files$\|: Error 24$' "$work/out/command"
        [[ $(cat "$work/out/command") != *"not found"* ]] || return 1
    done
}

@test "a user who has the capabilities, and no others" {
    local status=0
    chmod 1777 "$work/out"
    setpriv --reuid "$(user_name a)" --regid "$(user_name a)" --clear-groups \
        --inh-caps=-all,+bpf,+perfmon --ambient-caps=-all,+bpf,+perfmon \
        "$probe_run" -t -o "$trace" -e idle "$(target demo-ocaml_1)" -q -n 2 -i 0 \
        > "$work/out/capable" 2>&1 3>&- || status=$?
    if [ "$status" = 2 ]; then # before Linux 6.6, this takes CAP_SYS_ADMIN
        assert_match "$(cat "$work/out/capable")" "*needs CAP_*"
        return
    fi
    wait_until ends
    assert_equal "$(firings)" $'idle\nidle'
}

@test "nobody reads any more: the program runs on, and nothing is left" {
    mkfifo "$work/pipe"
    head -n 3 "$work/pipe" > "$work/out/head" &
    reader=$!
    start_command root "$probe_run" -t -o "$work/pipe" -e web:query "$(target sdt)" -q -i 20
    wait "$reader"
    assert_equal "$(firings "$work/out/head")" $'web:query\nweb:query\nweb:query'
    nothing_runs
    is_as_without_trace
}

@test "the helper is killed: the program runs on, and nothing is left" {
    start_traced -e web:query "$(target sdt)" -q -i 20
    wait_until 'grep -q query "$trace"'
    assert_equal "$(memory_of "$pid" query)" "2 trap"
    # shellcheck disable=SC2046
    kill -KILL $(helpers)
    nothing_runs
    is_as_without_trace
}

@test "a disk that is full ends the trace, and nothing else" {
    start_command root "$probe_run" -t -o /dev/full -e web:query "$(target sdt)" -q -i 20
    wait_until 'grep -q "^probe-run: the trace ends early: No space" "$out"'
    nothing_runs
    is_as_without_trace
}

@test "an output that the program closes is closed" {
    cat > "$work/bin/closing" << 'END'
#!/usr/bin/python3
import os, time
os.close(1)
time.sleep(1000)
END
    chmod +x "$work/bin/closing"
    mkfifo "$work/pipe"
    { cat "$work/pipe"; echo closed; } > "$work/out/reader" 3>&- &
    adopt $!
    start_command root sh -c "exec '$probe_run' -t -o '$trace' '$work/bin/closing' > '$work/pipe'"
    wait_until 'grep -q closed "$work/out/reader"'
    [ "$(helpers)" ]
}
