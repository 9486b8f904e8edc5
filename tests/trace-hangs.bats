#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Attaches that do not end: what is refused so that there are none, and what becomes of the others
# while there is one.
#
# An attach that really hangs keeps every process of the machine from forking. So it is made to hang
# just before the kernel is asked (stall/).

load lib/session-with-users
load lib/streams

setup() {
    session_begin
}

teardown() {
    let_go 2>/dev/null || true
    session_end
}

# start_stalling [OPTION]...: a server whose attaches can be stalled. stall PID: those to that
# process hang. let_go: they go on.
start_stalling() {
    cp "$build/tests/stall/stall.so" "$work/bin"
    head -c 4 /dev/zero >"$work/stalled"
    export STALL_FILE=$work/stalled
    # A sanitizer's library wants to be the first, where nothing is preloaded.
    ASAN_OPTIONS+=":verify_asan_link_order=0" LD_PRELOAD=$work/bin/stall.so start_server "$@"
}

stall() {
    python3 -ISc 'import sys; open(sys.argv[1], "r+b").write(int(sys.argv[2]).to_bytes(4, sys.byteorder))' \
        "$work/stalled" "$1"
}

let_go() {
    stall 0
}

# refused READER: it ends, and fails.
refused() {
    wait_until "! kill -0 $1" 20
    kill -0 "$1" 2>/dev/null && false
    wait "$1" && false
    true
}

@test "an attach that hangs: the log says which, others are refused after a second, and then it recovers" {
    local others hung hung_reader early_reader began spent
    start_stalling -o trace=users
    start_as b burst -w 1 1
    others=$pid
    start_as a burst -w 1 3
    hung=$pid
    remember
    stall "$hung"
    began=${EPOCHREALTIME/./}
    cat "$mnt/$hung/burst:shot/trace" >"$work/out/hung" 2>"$work/out/hung.err" </dev/null 3>&- &
    hung_reader=$!
    adopt "$hung_reader"
    wait_until "[ \$(holders_in nanosleep) = 1 ]"
    assert_equal "$(holders_in nanosleep)" 1 "attaches that hang"
    cat "$mnt/$others/burst:shot/trace" >"$work/out/early" 2>"$work/out/early.err" </dev/null 3>&- &
    early_reader=$!
    adopt "$early_reader"
    wait_until "grep -q 'has not finished attaching' '$log'"
    spent=$((${EPOCHREALTIME/./} - began))
    [ "$spent" -ge 1000000 ]
    # Others, root too, and who asked before, are not kept waiting until the kernel is given up.
    assert_errno_as b ETIMEDOUT read-stream "$mnt/$others/burst:shot/trace"
    assert_errno ETIMEDOUT read-stream "$mnt/$others/trace"
    assert_errno_as b ETIMEDOUT write "$mnt/$others/burst:shot/hits" 1
    refused "$early_reader"
    assert_match "$(cat "$work/out/early.err")" "*Connection timed out"
    spent=$((${EPOCHREALTIME/./} - began))
    echo "others were refused after $((spent / 1000)) ms"
    [ "$spent" -lt "$(patient 3000000)" ]
    assert_equal "$(grep -c "process $others: the kernel does not finish attaching to probes of \
process $hung, which has to be ended first" "$mnt/$others/error_log")" 4
    # All else works.
    assert_errno_as b OK write "$mnt/$others/burst:shot/enabled" 1
    assert_errno_as b OK write "$mnt/$others/burst:shot/enabled" 0
    # Who waits for it is told, too, and the others are refused until it has ended.
    refused "$hung_reader"
    assert_match "$(cat "$work/out/hung.err")" "*Connection timed out"
    grep -q "process $hung: the kernel does not finish attaching to its probes" "$mnt/$hung/error_log"
    assert_errno_as b ETIMEDOUT read-stream "$mnt/$others/burst:shot/trace"
    assert_equal "$(grep -c 'has not finished attaching' "$log")" 1
    grep -q "attaching to probes of process $hung (user $(id -u "$(user_name a)")) for 1 s" "$log"
    let_go
    # 124: it waited, and was not refused.
    wait_until "timeout 0.3 cat '$mnt/$others/trace' 2>/dev/null; [ \$? = 124 ]" 20
    is_as_before
    watch_stream "$mnt/$hung/burst:shot/trace"
    fire
    adds_up 3
    end_reader
    is_as_before
}

# is_refused PID TEXT [USER]...: for root and each USER, with a sentence; and nothing was attached.
is_refused() {
    local process=$1 text=$2 user file
    shift 2
    for user in root "$@"; do
        for file in trace burst:shot/trace; do
            assert_errno_as "$user" EOPNOTSUPP read-stream "$mnt/$process/$file"
        done
        assert_errno_as "$user" EOPNOTSUPP write "$mnt/$process/burst:shot/hits" 1
    done
    grep -q "process $process: probes in '.*' are not watched, as it is on $text" "$mnt/$process/error_log"
    assert_equal "$(memory_of "$process" shot)" "0 nop"
}

# is_watched PID: its firings are seen.
is_watched() {
    pid=$1
    watch_stream "$mnt/$pid/burst:shot/trace"
    kill -USR1 "$pid"
    adds_up 3
    end_reader
}

@test "a program on a FUSE mount is refused, and when its server stops, nobody else waits" {
    local far hang
    start_server -o trace=users
    mkdir "$work/far"
    target burst >/dev/null
    cp "$build/tests/fuse-hang/fuse-hang" "$work/bin"
    start_command root "$work/bin/fuse-hang" -s 120 "$work/bin/burst" "$work/far"
    hang=$pid hang_out=$out
    mounts+=("$work/far")
    wait_until '[ -e "$work/far/file" ]'
    start_command root "$work/far/file" -w 1 3
    far=$pid
    wait_until "grep -q '^pid' '$out'"
    is_refused "$far" "a FUSE mount"
    start_as b burst -w 1 3
    kill -USR1 "$hang"
    wait_until "grep -q ^silent '$hang_out'"
    assert_match "$(errno_of read-stream "$mnt/$far/trace")" "E@(TIMEDOUT|OPNOTSUPP)"
    is_watched "$pid"
    run ! grep 'has not finished attaching' "$log"
    stop "$far"
    stop "$hang"
}

# start_on_overlay USER COMMAND...: burst, from an overlay that COMMAND mounts in new namespaces. Sets: pid.
start_on_overlay() {
    local user=$1
    shift
    start_command "$user" "$@" sh -ec '
        mount -t tmpfs tmpfs "$1"
        mkdir "$1/up" "$1/work" "$1/all"
        mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/up,workdir=$1/work" "$1/all"
        exec "$1/all/burst" -w 1 3' sh "$work/over" "$work/bin"
    wait_until "grep -q '^pid' '$out' || ! kill -0 $pid"
    grep -q '^pid' "$out"
    pid=$(sed -n 's/^pid //p' "$out")
    adopt "$pid"
    assert_equal "$(stat -Lf -c %T "/proc/$pid/exe")" overlayfs
}

@test "a program on an overlay is watched where root has mounted that, and refused where a user has" {
    target burst >/dev/null
    mkdir "$work/over"
    start_server -o trace=users
    start_on_overlay root unshare --mount --propagation private
    is_watched "$pid"
    start_on_overlay a unshare --user --map-root-user --mount --propagation private
    is_refused "$pid" "an overlay that a user has mounted" a
}
