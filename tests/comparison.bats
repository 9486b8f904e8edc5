#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: once
#
# README's table "Compared with other tools", for the tools that can be run here. A comment in capitals
# names the row that a check is for.
#
# A program's own handler is what it prints while a probe is on. A tool can stop a program in two ways:
# by ptrace and by a signal. Under strace the first is impossible, because a process has one tracer at
# most, and the second is seen, because strace prints signals and stops.

load lib/session-with-users
load lib/tracers

setup() {
    session_begin
    tracers=() uprobes=() events=()
    export HOME=$work
}

teardown() {
    local each
    # An event that is deleted while perf records it may kill the program.
    if [ "${recorder:-}" ]; then
        kill -INT "$recorder"
        wait "$recorder" || true
    fi
    for each in "${events[@]}"; do
        perf probe -q -d "$each"
    done
    tracers_end
    session_end
}

# start_both: Sets: ocaml, ocaml_out (a program with OCaml's probes), usdt, usdt_out (one with
# SystemTap's), theirs, theirs_out (the same, of an ordinary user).
start_both() {
    start demo-ocaml_1 -i 20
    ocaml=$pid ocaml_out=$out
    start sdt -i 20
    usdt=$pid usdt_out=$out
    start_as a sdt -i 20
    theirs=$pid theirs_out=$out
}

# strace_both: from now on, both programs have a tracer that lets them run.
strace_both() {
    local target
    for target in "$ocaml" "$usdt"; do
        start_command root strace -qq -e trace=none -o "$work/signals" -A -p "$target"
        wait_until "grep -q '^TracerPid:.$pid\$' /proc/$target/status"
    done
}

# were_not_stopped: strace saw no signal and no stop.
were_not_stopped() {
    assert_equal "$(cat "$work/signals")" "" "signals, and stops"
    says '^boot' "$ocaml_out"
}

# never_ran PROBE: the program's handler, since the program started.
never_ran() {
    is_silent "^$1" "$ocaml_out"
    assert_equal "$(lines_of "^$1" "$ocaml_out")" 0 "runs of the handler of $1"
}

# is_undone: both programs are as they started.
is_undone() {
    wait_until '[ "$(counts_of "$usdt" request_start)" = 0 ]'
    wait_until '[ "$(memory_of "$ocaml" gc_start)" = "0 off" ]'
    is_silent '^gc_start' "$ocaml_out"
}

# first_line_of USER STREAM
first_line_of() {
    run_as "$1" timeout "$(patient 60)" sed 1q "$2" >"$work/out/line"
}

@test "probefs: as the table says" {
    start_both
    strace_both
    start_server
    # HANDLERS, NOT STOPPED
    echo 1 > "$mnt/$ocaml/gc_start/enabled"
    says '^gc_start' "$ocaml_out"
    # SEMAPHORE
    echo 1 > "$mnt/$usdt/web:request_start/enabled"
    says '^request_start' "$usdt_out"
    were_not_stopped
    # EVENTS
    first_line_of root "$mnt/$ocaml/gc_stop/trace"
    grep -q "Z $ocaml gc_stop" "$work/out/line"
    # ORDINARY USERS
    shell_as a "echo 1 > '$mnt/$theirs/web:request_start/enabled'"
    says '^request_start' "$theirs_out"
    assert_errno_as a EPERM open-read "$mnt/$theirs/web:request_start/trace"
    # OUTLASTS
    stop_server "$server" "$mnt"
    says '^gc_start' "$ocaml_out"
    says '^request_start' "$usdt_out"
}

@test "probefs, with other options, and a hold: as the table says" {
    start_both
    start_server -o engine=ptrace,trace=users
    # ORDINARY USERS
    first_line_of a "$mnt/$theirs/web:request_start/trace"
    grep -q "Z $theirs web:request_start" "$work/out/line"
    # STOPPED: it needs the place of the tracer.
    start_command root strace -qq -e trace=none -o /dev/null -p "$ocaml"
    wait_until "grep -q '^TracerPid:.$pid\$' /proc/$ocaml/status"
    assert_errno EBUSY write "$mnt/$ocaml/gc_start/enabled" 1
    stop "$pid"
    wait_until "is_let_go $ocaml"
    exec 9> "$mnt/$ocaml/gc_start/hold"
    says '^gc_start' "$ocaml_out"
    is_let_go "$ocaml"
    # OUTLASTS
    kill_server "$server"
    exec 9>&-
    wait_until '[ "$(memory_of "$ocaml" gc_start)" = "0 off" ]'
}

# bpftrace_at PROGRAM PROBE PID: Sets: seen (what it prints).
bpftrace_at() {
    seen=$work/out/seen-$3
    bpftrace -B line -p "$3" -e "usdt:$work/bin/$1:$2 { printf(\"seen\n\"); }" \
        >"$seen" 2>&1 </dev/null 3>&- &
    tracers+=($!)
    # EVENTS
    wait_until "grep -q '^seen' '$seen'"
}

@test "bpftrace: as the table says" {
    needs_bpftrace
    start_both
    strace_both
    bpftrace_at demo-ocaml_1 ocaml_1:gc_start "$ocaml"
    bpftrace_at sdt web:request_start "$usdt"
    # SEMAPHORE, NOT STOPPED
    says '^request_start' "$usdt_out"
    were_not_stopped
    # HANDLERS
    never_ran gc_start
    # OUTLASTS
    untrace "${tracers[0]}"
    untrace "${tracers[1]}"
    is_undone
    # ORDINARY USERS
    run run_as a bpftrace -p "$theirs" -e "usdt:$work/bin/sdt:web:request_start { exit(); }"
    assert_equal "$status" 1
    assert_match "$output" "*root*"
}

# perf_event PROGRAM EVENT: Sets: event (what it is called; another test may have the same one).
perf_event() {
    perf --buildid-dir "$work/cache" buildid-cache --add "$work/bin/$1"
    event=$(perf --buildid-dir "$work/cache" probe "$2" 2>&1 | awk '$2 == "(on" { print $1; exit }')
    [ "$event" ]
    events+=("$event")
}

# perf_at EVENT PID PATTERN OUTPUT: records, and waits meanwhile until the program says PATTERN twice.
perf_at() {
    perf record -q -e "$1" -p "$2" -o "$work/perf.data" -- sh -c \
        'touch "$0"; while [ -e "$0" ]; do sleep 0.05; done' "$work/records" \
        >"$work/out/perf" 2>&1 </dev/null 3>&- &
    recorder=$!
    wait_until "[ -e '$work/records' ] || ! kill -0 $recorder"
    says "$3" "$4"
    says "$3" "$4"
    rm "$work/records"
    wait $recorder
    recorder=
    # EVENTS
    perf script -i "$work/perf.data" | grep -q "$1"
}

@test "perf, and the uprobe events of tracefs: as the table says" {
    needs_bpftrace
    command -v perf >/dev/null || skip "needs perf"
    start_both
    strace_both
    # HANDLERS, EVENTS
    perf_event demo-ocaml_1 sdt_ocaml_1:gc_start
    perf_at "$event" "$ocaml" '^boot' "$ocaml_out"
    never_ran gc_start
    # SEMAPHORE, NOT STOPPED
    perf_event sdt sdt_web:request_start
    perf_at "$event" "$usdt" '^request_start' "$usdt_out"
    were_not_stopped
    # OUTLASTS
    is_undone
    echo 1 > "/sys/kernel/tracing/events/${event/://}/enable"
    says '^request_start' "$usdt_out"
    echo 0 > "/sys/kernel/tracing/events/${event/://}/enable"
    is_undone
    # ORDINARY USERS
    mkdir -m 777 "$work/a"
    run run_as a perf record -q -e "$event" -p "$theirs" -o "$work/a/perf.data" -- true
    [ "$status" != 0 ]
    assert_match "$output" "*ermission*"
    run run_as a perf probe -x "$work/bin/sdt" 'theirs=begin_request'
    [ "$status" != 0 ]
}

# gdb_of USER PID COMMAND...
gdb_of() {
    local user=$1 target=$2 command words=()
    shift 2
    for command in "$@"; do
        words+=(-ex "$command")
    done
    run_as "$user" timeout "$(patient 60)" gdb -batch -nx -p "$target" "${words[@]}" \
        >"$work/out/gdb" 2>&1 </dev/null 3>&-
}

# by_hand: what switches gc_start: its counter, and what is at the site of a probe that is on (boot).
by_hand() {
    local byte other
    echo "set var *(unsigned short *) 0x$(counter_of "$ocaml" gc_start) = 1"
    byte=$(switch_byte_of "$ocaml" gc_start) other=$(switch_byte_of "$ocaml" boot)
    echo "set var *(char *) 0x$byte = *(char *) 0x$other"
}

@test "gdb: as the table says" {
    local commands
    start_both
    # EVENTS, STOPPED, ORDINARY USERS. SEMAPHORE: the program says so when it is passed a third time.
    gdb_of a "$theirs" 'break -probe-stap web:request_start' 'ignore 1 2' continue \
        'printf "argument %d\n", $_probe_arg0' "shell grep State: /proc/$theirs/status"
    grep -q '^argument [0-9]' "$work/out/gdb"
    grep -q '^State:.t (tracing stop)' "$work/out/gdb"
    [ "$(lines_of '^request_start' "$theirs_out")" -ge 2 ]
    # OUTLASTS: a breakpoint does not.
    assert_equal "$(counts_of "$theirs" request_start)" 0
    is_let_go "$theirs"
    # HANDLERS: not by a breakpoint, but by hand.
    gdb_of root "$ocaml" 'break -probe-stap ocaml_1:gc_start' 'ignore 1 2' continue
    grep -q '^Breakpoint 1, ' "$work/out/gdb"
    never_ran gc_start
    mapfile -t commands < <(by_hand)
    gdb_of root "$ocaml" "${commands[@]}"
    # OUTLASTS: what was written does.
    says '^gc_start' "$ocaml_out"
}
