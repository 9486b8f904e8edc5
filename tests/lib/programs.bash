# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Programs that probe-run starts, and what they say.

# Sets: probe_run, report (copies for this test that every user can run).
prepare_programs() {
    probe_run=$work/bin/probe-run
    cp "$build/probe-run/probe-run" "$probe_run"
    target libconstruct.so >/dev/null
    report=$(target report)
}

# has_status EXPECTED COMMAND...
has_status() {
    local expected=$1 actual=0
    shift
    "$@" >"$work/out/command" 2>&1 3>&- || actual=$?
    assert_equal "$actual" "$expected" "exit status of: $*"
}

# says_line TEXT: the last has_status' output has this line.
says_line() {
    grep -qxF -- "$1" "$work/out/command" || {
        echo "no line: $1"
        return 1
    }
}

# says_nothing_of PATTERN: no line of the last has_status' output matches.
says_nothing_of() {
    run ! grep -- "$1" "$work/out/command"
}

# start_waiting: a program whose library's constructor waits; sets pid and out.
start_waiting() {
    start_command root env CONSTRUCTOR=wait "$probe_run" "$report" "$@"
    wait_until 'grep -q "^waiting $pid$" "$out"'
}

status_field() {
    awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"
}

# ends_with STATUS: the program that was started ends so, as its parent sees it.
ends_with() {
    local actual=0
    wait "$pid" || actual=$?
    assert_equal "$actual" "$1" "exit status of the program"
}
