# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Streams that are read in the background, and what they said.

# watch_stream FILE [COMMAND]...: reads it in the background by COMMAND (cat), and waits until all is
# attached. Sets: reader (its pid), trace (the file with its lines).
watch_stream() {
    local file=$1 before
    shift
    readers=$((${readers:-0} + 1))
    trace=$work/out/trace-$readers
    before=$(holders)
    "${@:-cat}" "$file" >"$trace" 2>"$trace.err" </dev/null 3>&- 9>&- &
    reader=$!
    adopt "$reader"
    wait_until "[ \$(holders) -gt $before ] || ! kill -0 $reader" 20
    [ "$(holders)" -gt "$before" ] || { cat "$trace.err"; return 1; }
}

# holders: how many processes hold what this test's servers have attached, and have done so.
holders() {
    holders_in poll
}

# holders_in WHERE: how many sleep in WHERE, a part of a function's name in the kernel.
holders_in() {
    local each at count=0
    for each in $("$targets/running" "$work/bin/probefs" probe-holder); do
        at=
        read -r at <"/proc/$each/wchan" || true # it has no newline
        [[ $at != *"$1"* ]] || count=$((count + 1))
    done 2>/dev/null
    echo "$count"
}

# is_as_before: counters and sites are what they were when `remember` was called.
remember() {
    memory_before=$(peek "$pid")
}

is_as_before() {
    wait_until "[ \"\$(peek $pid)\" = \"\$memory_before\" ]" 5
    assert_equal "$(peek "$pid")" "$memory_before" "the memory of $pid"
}

# shoot [OPTION]... THREADS SHOTS: a burst that waits. Then `fire` lets it go, and waits.
shoot() {
    start burst -w "$@"
    remember
    shot=$mnt/$pid/burst:shot
}

fire() {
    kill -USR1 "$pid"
    wait_until "grep -q '^shots' '$out'" 60
}

# firings [FILE]: the lines of a trace, without times. lost: how many firings it says are missing.
firings() {
    sed -n 's/^[^ #]*Z //p' "${1:-$trace}"
}

lost() {
    awk '$1 == "#" && $2 == "lost" { sum += $3 } END { print sum + 0 }' "${1:-$trace}"
}

# adds_up COUNT [FILE]: lines and what was lost are the firings, once all have come.
adds_up() {
    local file=${2:-$trace}
    wait_until "[ \$((\$(firings '$file' | wc -l) + \$(lost '$file'))) = $1 ]" 30
}

end_reader() {
    kill -TERM "$reader"
    wait "$reader" || true
}
