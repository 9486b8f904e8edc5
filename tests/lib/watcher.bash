# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The test program `watcher`, which prints the trace of a process. For suites with a session.
# shellcheck disable=SC2034,SC2154 # variables of the session, and for the test

# watcher_begin: in setup().
watcher_begin() {
    watcher=$work/bin/watcher
    cp "$targets/watcher" "$watcher"
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
    "$targets/running" "$watcher" probe-holder
}
