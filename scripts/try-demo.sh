#!/bin/bash
# SPDX-License-Identifier: MIT
#
# try-demo.sh: does `./run demo`, twice, and ends it as it says; checks that its session shows what
# it is to show, and that nothing is left. In namespaces of its own: whatever happens, no mount and
# no process outlives it, and a demo that somebody plays with is not touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/demo.bash

dir=/mnt/probes

# expect WHAT ACTUAL EXPECTED
expect() {
    [ "$2" = "$3" ] || { printf 'try-demo: %s: "%s", not "%s"\n' "$@" >&2; return 1; }
}

# answers LOG COMMAND: the first line that each such command of the session says, in one line.
answers() {
    awk -v command="$ $2" '$0 == command && getline { printf "%s ", $0 }' "$1"
}

# run_demo LOG: sets demo, python (their pids), end (the command that ends it all).
run_demo() {
    ./run demo "$dir" >"$1" 2>&1 </dev/null || { cat "$1"; return 1; }
    cat "$1"
    end=$(sed -n 's/^To end it: *//p' "$1")
    [[ $end =~ ^"umount $dir; kill "([0-9]+)" "([0-9]+)$ ]]
    demo=${BASH_REMATCH[1]} python=${BASH_REMATCH[2]}
}

# What its session shows: the handler's output starts, and stops.
check_session() {
    local log=$1 gc_start=$dir/$demo/gc_start/enabled
    expect "off, on" "$(answers "$log" "cat $gc_start")" "0 1 "
    expect "python's, on" "$(answers "$log" "cat $dir/$python/python:gc__start/enabled")" "1 "
    grep -q '^gc_start' "$log"
    # Here, in a namespace of processes, it cannot be watched, and the demo says why.
    grep -q 'EOPNOTSUPP: .* first namespace of processes' "$log"
    expect "handlers' last words" \
        "$(grep -A 2 -F "$ tail -n 2 " "$log" | sed -n 's/^\([a-z_]*\): .*/\1/p' | xargs)" "boot boot"
    expect "off again" "$(<"$gc_start") $(<"$dir/$python/enabled")" "0 0"
}

check_end() {
    bash -c "$end"
    expect "mounted still" "$(findmnt -M "$dir" || true)" ""
    # All that is without a parent is a child of the namespace's first process, as this script is.
    # shellcheck disable=SC2016 # evaluated there
    wait_for '[ "$(pgrep -P 1)" = $$ ]'
}

if [ "${1:-}" = inside ]; then
    run_demo /run/first
    check_session /run/first
    first="$demo $python"
    run_demo /run/second
    check_session /run/second
    grep -qF "mounted at $dir already" /run/second
    expect "mounts" "$(grep -c " $dir fuse.probefs " /proc/self/mounts)" 1
    for pid in $first; do
        wait_for "! kill -0 $pid 2>/dev/null"
    done
    check_end
else
    ./run build
    in_demo_space scripts/try-demo.sh inside
fi
