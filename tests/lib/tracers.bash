# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A kernel tracer: bpftrace, attached to a SystemTap probe of a running target.

# The kernel's complaints about its reference counters.
kernel_complaints() {
    dmesg | grep -c ref_ctr || true
}

# needs_bpftrace: it wants tracefs where it is usually mounted. Undone by tracers_end.
needs_bpftrace() {
    command -v bpftrace >/dev/null || skip "needs bpftrace"
    exec {tracefs}>>/run/lock/probefs-test-tracefs
    flock "$tracefs"
    if [ ! -e /sys/kernel/tracing/uprobe_events ]; then
        mount -t tracefs tracefs /sys/kernel/tracing || skip "needs tracefs"
        echo mounted >"/run/lock/probefs-test-tracefs"
    fi
    flock -s "$tracefs"
}

# trace PROGRAM PROVIDER:NAME PID NAME: attaches, and waits until the counter of NAME has risen, and
# the tracer has come to wait for what happens at all the places that it attached to. Sets: tracer (its pid). It inherits none of the test's holds.
trace() {
    local before
    before=$(counts_of "$3" "$4")
    bpftrace -e "usdt:$1:$2 { }" -p "$3" >"$work/out/bpftrace" 2>&1 </dev/null 3>&- 8>&- 9>&- &
    tracer=$!
    tracers+=("$tracer")
    wait_until "grep -q '^Attaching' '$work/out/bpftrace' || ! kill -0 $tracer"
    wait_until "[ \"\$(counts_of $3 $4)\" != '$before' ]"
    wait_until "grep -q 'e.*poll' /proc/$tracer/wchan"
}

# trace_behind PROGRAM PID NAME: puts a uprobe one byte behind the first site of NAME, as libbpf does
# where a five-byte nop stands there, and waits until the counter has risen. Sets: uprobe.
trace_behind() {
    local before site semaphore
    before=$(counts_of "$2" "$3")
    read -r site semaphore < <(readelf -nW "$1" | awk -v name="$3" '
        $1 == "Name:" { found = $2 == name }
        found && $1 == "Location:" { sub(/,/, "", $2); print $2, $NF; exit }')
    uprobe=probefs_$2_$3
    printf 'p:%s/behind %s:%#x(%#x)\n' "$uprobe" "$1" $((1 + $(offset_in "$1" "$site"))) \
        "$(offset_in "$1" "$semaphore")" >> /sys/kernel/tracing/uprobe_events
    uprobes+=("$uprobe")
    echo 1 > "/sys/kernel/tracing/events/$uprobe/enable"
    wait_until "[ \"\$(counts_of $2 $3)\" != '$before' ]"
}

# untrace_behind UPROBE
untrace_behind() {
    echo 0 > "/sys/kernel/tracing/events/$1/enable"
    echo "-:$1/behind" >> /sys/kernel/tracing/uprobe_events
}

# offset_in FILE ADDRESS: where the file has what is linked to that address.
offset_in() {
    local offset address size
    while read -r offset address size; do
        if (($2 >= address && $2 < address + size)); then
            echo $(($2 - address + offset))
        fi
    done < <(readelf -lW "$1" | awk '$1 == "LOAD" { print $2, $3, $5 }')
}

# untrace PID: lets it detach. It counts before it listens to signals, and the shell has it ignore
# this one until then: so it is told again.
untrace() {
    local tries
    for tries in 1 2 3 4 5; do
        kill -INT "$1" 2>/dev/null || true
        wait_until "! is_running $1" 2 >/dev/null && break
    done
    [ "$tries" -lt 5 ] || kill -KILL "$1"
    wait "$1" || true
}

# counts_of PID NAME: the counters of a probe, as the independent reader sees them.
counts_of() {
    peek "$1" | awk -v name="$2" '$2 == name { print $4 }' | sort -n | uniq | paste -sd,
}

tracers_end() {
    local each
    for each in "${tracers[@]}"; do
        untrace "$each" 2>/dev/null || true
    done
    for each in "${uprobes[@]}"; do
        untrace_behind "$each" 2>/dev/null || true
    done
    # The last of the tests that use it unmounts what one of them has mounted.
    if [ "${tracefs:-}" ] && flock -n "$tracefs" && [ -s /run/lock/probefs-test-tracefs ]; then
        umount /sys/kernel/tracing && : >/run/lock/probefs-test-tracefs
    fi
}
