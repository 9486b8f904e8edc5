# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Programs as Debian packages them: for the suites of `./run field`.

# shellcheck source=tests/lib/session.bash
source "$BATS_TEST_DIRNAME/../lib/session.bash"

setup() {
    session_begin
    # shellcheck disable=SC2119 # it takes options, too
    start_server
}

# head: a daemon that the test has started, if any.
teardown() {
    local status=0
    exec 9>&-
    end_by_signal "${head:-}" TERM || status=1
    session_end || status=1
    return $status
}

# end_by_signal PID SIGNAL: as its administrator would, with no more than that. No PID: none was started.
end_by_signal() {
    [ "$1" ] && is_running "$1" || return 0
    kill -"$2" "$1"
    wait_until "! is_running $1" 30
}

setup_file() {
    users_create
}

teardown_file() {
    users_remove
}

# report TEXT...: a line in what bats prints.
report() {
    echo "# $BATS_TEST_DESCRIPTION: $*" >&3
}

# needs PROGRAM...: none of these suites is skipped.
needs() {
    local each
    for each in "$@"; do
        command -v "$each" >/dev/null || [ -e "$each" ] ||
            { echo "there is no $each, which ./run field installs"; return 1; }
    done
}

# The same probes as readelf and gdb say.
same_as_peers() {
    local each
    for each in "$@"; do
        python3 "$tests/lib/compare_peers.py" "$mnt" "$each" >"$work/compared" || return 1
        report "$(basename "$(readlink "/proc/$each/exe")"): $(cat "$work/compared")"
    done
}

# counters_that CONDITION PID: how many of its counters, as seen without the tree, are `> 0`, `== 0`.
# Fails where there are none to be seen.
counters_that() {
    local notes
    notes=$(peek "$2") && [ "$notes" ] || return 1
    awk "\$4 $1 { count++ } END { print count + 0 }" <<<"$notes"
}

# switched ON PID: all of its counters are above 0 (1), or 0 (0).
switched() {
    local wrong='> 0' count
    [ "$1" = 0 ] || wrong='== 0'
    count=$(counters_that "$wrong" "$2") || { echo "$2 has no counters"; return 1; }
    assert_equal "$count" 0 "counters of $2 that are $wrong after '$1'"
}

# switch_all ROUNDS PID...: on and off, so often, with a look at memory each time.
switch_all() {
    local rounds=$1 round value each slowest=0 sum=0 count=0 began took
    shift
    for ((round = 0; round < rounds; round++)); do
        for value in 1 0; do
            for each in "$@"; do
                began=${EPOCHREALTIME/./}
                echo $value >"$mnt/$each/enabled" || return 1
                took=$((${EPOCHREALTIME/./} - began))
                sum=$((sum + took)) count=$((count + 1))
                slowest=$((took > slowest ? took : slowest))
                switched $value "$each" || return 1
                assert_equal "$(< "$mnt/$each/enabled")" $value || return 1
            done
        done
    done
    report "$count switches of all probes: $((sum / count)) us each, $slowest us at most"
}

# family_of PID: it, and those of its descendants that run the same program.
family_of() {
    local exe=/proc/$1/exe each
    echo "$1"
    for each in $(pgrep -P "$1"); do
        if [ "/proc/$each/exe" -ef "$exe" ]; then
            family_of "$each"
        fi
    done
}

# nobody_is_on PID: in its family; PID is there. Who has ended meanwhile is nobody.
nobody_is_on() {
    local each
    is_running "$1" || { echo "$1 has ended"; return 1; }
    for each in $(family_of "$1"); do
        if [ "$(counters_that '> 0' "$each" 2>/dev/null)" != 0 ] && is_running "$each"; then
            echo "$each is on: $(peek "$each" | awk '$4 > 0 { print $2, $4 }' | head -n 3)"
            return 1
        fi
    done
}

# how_many_are_on PID: of its family. Sets: were_on.
how_many_are_on() {
    local each count
    were_on=0
    for each in $(family_of "$1"); do
        count=$(counters_that '> 0' "$each" 2>/dev/null) || count=0
        if [ "$count" != 0 ]; then were_on=$((were_on + 1)); fi
    done
}

# What a suite does as soon as a hold has begun.
while_held() {
    :
}

# hold_for SECONDS PID PROBE [NUMBER]: under load, and nobody keeps it. For longer where not so many
# (1) are on by then.
hold_for() {
    exec 9>"$mnt/$2/$3/hold"
    while_held
    sleep "$1"
    wait_until "how_many_are_on $2; [ \$were_on -ge ${4:-1} ]" 30
    exec 9>&-
    cat "$mnt/$2/enabled" >"$work/looked"
    wait_until "nobody_is_on $2 >'$work/on'" 5 || { cat "$work/on"; return 1; }
    report "a hold of $1 s on $3: $were_on processes were on, 0 are"
}

# start_load COMMAND...: until end_load, over and over. Each failure ends it.
start_load() {
    start_command root bash -c 'while [ ! -e "$0" ]; do "$@" || exit 1; echo done; done' \
        "$work/end-load" "$@"
    load=$pid load_out=$out
    wait_until "[ \$(lines_of '^done' '$load_out') -gt 0 ] || ! is_running $load" 30
}

# end_load: it went on without a failure.
end_load() {
    is_running "$load" || { echo "the load failed:"; tail -n 20 "$load_out"; return 1; }
    touch "$work/end-load"
    wait "$load" || { tail -n 20 "$load_out"; return 1; }
    report "load: $(lines_of '^done' "$load_out") rounds, none failed"
}
