#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# Streams: what they say, how they wait, who may read them, and what they leave behind.

load lib/session-with-users
load lib/tracers
load lib/own
load lib/streams

setup() {
    session_begin
    tracers=()
}

teardown() {
    tracers_end
    own_end
    session_end
}

@test "a line for each firing, then the end of the process" {
    start_server
    shoot 1 3
    watch_stream "$shot/trace"
    fire
    kill -USR1 "$pid"
    wait "$reader"
    assert_equal "$(firings)" "$(printf "$pid burst:shot 0 %d\n" 1 2 3)"
    assert_equal "$(tail -n 1 "$trace")" "# ended"
    head -n 1 "$trace" | grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z '
}

@test "trace is a link into .trace, which no listing has and which lists nothing" {
    start_server
    shoot 1 1
    assert_equal "$(readlink "$mnt/$pid/trace")" "../.trace/$pid/trace"
    assert_equal "$(readlink "$shot/trace")" "../../.trace/$pid/burst:shot"
    assert_equal "$(ls -A "$mnt" | grep -c trace)" 0
    assert_equal "$(ls -A "$mnt/.trace" "$mnt/.trace/$pid" | grep -v -e '^$' -e ':$')" ""
    assert_equal "$(stat -L -c '%F %a %s' "$shot/trace")" "regular empty file 600 0"
    [ "$mnt/.trace/$pid/burst:shot" -ef "$shot/trace" ]
    assert_errno ENOENT stat "$mnt/.trace/$pid/nothing"
    assert_no_directory ".trace/$$"
    assert_errno EPERM unlink "$shot/trace"
}

@test "who walks the tree neither waits in a stream nor attaches" {
    start_server
    shoot 1 1
    cd "$mnt/$pid"
    timeout 20 find . -type f >"$work/out/find"
    timeout 20 grep -rs ZZZ . >"$work/out/grep" || [ $? = 1 ]
    timeout 20 tar -cf "$work/tar" .
    timeout 20 cp -r . "$work/copy"
    timeout 20 rsync -a . "$work/synced"
    assert_equal "$(readlink "$work/copy/trace")" "../.trace/$pid/trace"
    assert_equal "$(peek "$pid")" "$memory_before" "the memory of $pid"
    cd /
}

@test "opening attaches nothing, reading does, and closing undoes it" {
    start_server
    shoot 1 1
    exec 9<"$shot/trace"
    assert_equal "$(peek "$pid")" "$memory_before"
    exec 9<&-
    watch_stream "$shot/trace"
    assert_equal "$(memory_of "$pid" shot)" "1 trap"
    assert_equal "$(< "$shot/semaphore")" 1
    assert_errno EBUSY write "$shot/enabled" 0
    end_reader
    is_as_before
}

@test "a 0 that is refused says who reads, and whether somebody counts" {
    local first
    start_server
    shoot 1 1
    watch_stream "$shot/trace"
    first=$reader
    assert_errno EBUSY write "$shot/enabled" 0
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
        "*probe 'burst:shot'*: process $first (cat) reads its trace; end that first, or take away only your own reference, with -1."
    echo 1 >"$shot/hits"
    watch_stream "$mnt/$pid/trace"
    assert_errno EBUSY write "$mnt/$pid/control" '0 burst:shot\n'
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
        "*: process $first (cat) and process $reader (cat) read its trace, and its hits are counted (*"
    # The other probe has one reader only.
    assert_errno EBUSY write "$mnt/$pid/burst:named/enabled" 0
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
        "*probe 'burst:named'*: process $reader (cat) reads its trace; *"
    kill "$first" "$reader"
    echo 0 >"$shot/hits"
    wait_until "echo 0 >'$mnt/$pid/enabled'"
}

@test "a 0 behind the end of the last reader is never refused" {
    start_server
    shoot 1 1
    for each in trace "../trace"; do
        for ((i = 0; i < 10; i++)); do
            watch_stream "$shot/$each"
            kill "$reader"
            wait "$reader" || true
            echo 0 >"$shot/enabled"
        done
    done
    is_as_before
}

@test "several readers each get all lines, and with a slow, a stopped and a killed one all adds up" {
    start_server
    shoot 3 100000
    watch_stream "$shot/trace"
    local first=$reader first_trace=$trace
    watch_stream "$mnt/$pid/trace" sh -c 'while dd bs=4096 count=20 status=none; do sleep 0.02; done <"$0"'
    local slow=$reader slow_trace=$trace
    watch_stream "$shot/trace"
    local stopped=$reader stopped_trace=$trace
    watch_stream "$shot/trace"
    kill -STOP "$stopped"
    kill -USR1 "$pid"
    wait_until "[ -s '$trace' ]"
    kill -KILL "$reader"
    wait_until "grep -q '^shots' '$out'" 60
    kill -CONT "$stopped"
    kill -USR1 "$pid"
    wait "$first" "$stopped"
    wait_until "grep -q '^# ended' '$slow_trace'" 60
    kill -KILL "$slow"
    for each in "$first_trace" "$slow_trace" "$stopped_trace"; do
        adds_up 300000 "$each"
    done
    # Each thread's in its order.
    firings "$first_trace" | awk '{ if ($4 <= last[$3]) exit 1; last[$3] = $4 }'
}

@test "as fast as a program can fire: lines and what cat could not get are all firings" {
    start_server
    shoot 2 250000
    watch_stream "$shot/trace"
    fire
    kill -USR1 "$pid"
    wait "$reader"
    assert_equal "$(tail -n 1 "$trace")" "# ended"
    assert_equal "$(($(firings | wc -l) + $(lost)))" 500000
    echo "$(lost) of 500000 lost"
    # Each thread's in its order, none twice.
    firings | awk '{ if ($4 <= last[$3]) exit 1; last[$3] = $4 }'
}

@test "a signal ends a reader that waits, at once; head ends with its line" {
    local before signal
    start_server
    shoot 1 1
    for signal in TERM HUP USR1 KILL; do
        watch_stream "$shot/trace"
        before=$(date +%s%N)
        kill -"$signal" "$reader"
        wait "$reader" || true
        [ $((($(date +%s%N) - before) / 1000000)) -lt 1000 ]
        is_as_before
    done
    run -124 timeout 0.5 cat "$shot/trace"
    is_as_before
    watch_stream "$shot/trace" head -n 1
    fire
    wait "$reader"
    assert_equal "$(firings)" "$pid burst:shot 0 1"
    is_as_before
}

@test "without waiting it is EAGAIN, and poll, select and epoll wait" {
    start_server
    shoot 1 3
    watch_stream "$shot/trace" "$tests/lib/stream.py" nonblock
    wait_until "grep -q EAGAIN '$trace'"
    fire
    wait "$reader"
    assert_match "$(tail -n 1 "$trace")" "*Z $pid burst:shot 0 1"
    start sdt -i 500
    timeout 60 "$tests/lib/stream.py" poll "$mnt/$pid/trace" >"$work/out/polled"
    assert_equal "$(grep -c '^waiting' "$work/out/polled")" 3
}

@test "epoll by edges tells of each arrival, whether what was there is read or not" {
    start_server
    start sdt -i 200
    timeout 100 "$tests/lib/stream.py" edge "$mnt/$pid/trace" >"$work/out/edges"
    assert_equal "$(grep -c "Z $pid " "$work/out/edges")" 3
    assert_equal "$(tail -n 2 "$work/out/edges" | paste -sd ' ')" "unread again"
}

# nothing_is_done: all threads of the server sleep.
nothing_is_done() {
    ! cat "/proc/$server/task/"*/status 2>/dev/null | grep -q '^State:[[:blank:]]*R'
}

@test "a stream that ended and that nobody reads costs nothing" {
    start_server
    shoot 1 1
    mkfifo "$work/close"
    "$tests/lib/stream.py" idle "$shot/trace" <"$work/close" 3>&- &
    reader=$!
    adopt "$reader"
    exec 8>"$work/close"
    wait_until "[ \$(holders) = 1 ]"
    fire
    kill -USR1 "$pid"
    wait_until "! kill -0 $pid 2>/dev/null && [ \$(holders) = 0 ]"
    wait_until nothing_is_done
    exec 8>&-
    wait "$reader"
}

@test "what attaches goes before all normal processes" {
    start_server
    shoot 1 3
    watch_stream "$shot/trace"
    for each in $("$targets/running" "$work/bin/probefs" probe-holder); do
        classes+=("$(ps -o cls= -p "$each" | tr -d ' ')")
    done
    assert_equal "${classes[*]}" FF
}

@test "names that are written before the first read choose probes" {
    start_server
    start combo -q
    exec 9<>"$mnt/$pid/trace"
    assert_errno ENOENT write @9 'nothing_*\n'
    assert_errno EINVAL write @9 '\n'
    assert_errno EINVAL write @9 '~(\n'
    local name
    name=$(find "$mnt/$pid" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | head -n 1)
    assert_errno OK write @9 "$name\\n"
    remember
    cat <&9 >"$work/out/chosen" 3>&- 9>&- &
    reader=$!
    adopt "$reader"
    wait_until "[ \$(holders) = 1 ]"
    assert_errno EBUSY write @9 "$name\\n"
    assert_equal "$(peek "$pid" | awk '$4 > 0 { print $2 }' | sort -u)" "${name#*:}"
    end_reader
    exec 9<&-
    is_as_before
}

@test "to the stream of a single probe no name is written, before and after its first read" {
    start_server
    shoot 1 1
    exec 9<>"$shot/trace"
    assert_errno EINVAL write @9 'burst:shot\n'
    cat <&9 >"$work/out/chosen" 3>&- 9>&- &
    reader=$!
    adopt "$reader"
    wait_until "[ \$(holders) = 1 ]"
    assert_errno EINVAL write @9 'burst:shot\n'
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
        "*could not write \"burst:shot\" to 'burst:shot/trace': EINVAL: the stream of a probe is *"
    end_reader
    exec 9<&-
}

@test "after an exec the stream ends, and shows nothing of the new image" {
    start_server
    shoot -e 1 3
    watch_stream "$shot/trace"
    fire
    kill -USR1 "$pid"
    wait_until "grep -q '^# exec' '$trace'"
    wait "$reader"
    assert_equal "$(firings | wc -l)" 3
    assert_equal "$(tail -n 1 "$trace")" "# exec"
}

@test "a library that is loaded later joins within a second" {
    start_server
    start host "$(target libplug.so)"
    watch_stream "$mnt/$pid/trace"
    kill -USR1 "$pid"
    wait_until "grep -q ' plug_hit' '$trace'" 10
    firings | grep -q ' gc_start'
}

# start_loader LIBRARY...: a program that loads all of them at SIGUSR1, and then passes the probe of
# the last, libvault, again and again.
start_loader() {
    start_command root /usr/bin/python3 -c '
import ctypes, os, signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("pid", os.getpid(), flush=True)
signal.sigwait({signal.SIGUSR1})
libraries = [ctypes.CDLL(path) for path in sys.argv[1:]]
print("loaded", flush=True)
while True:
    libraries[-1].vault_turn(1)
    time.sleep(0.01)' "$@"
    wait_until "grep -q ^pid '$out'"
}

@test "a library that cannot be watched is left out, and others that are loaded with it join" {
    local library plug site
    needs_bpftrace
    start_server
    library=$(target libvault.so)
    plug=$(target libplug.so)
    mkdir "$work/far"
    cp "$build/tests/fuse-hang/fuse-hang" "$work/bin"
    start_command root "$work/bin/fuse-hang" -s 120 "$plug" "$work/far"
    mounts+=("$work/far")
    wait_until '[ -e "$work/far/file" ]'
    # To the kernel, the library plug is another tracer's, who names no semaphore.
    site=$(readelf -nW "$plug" | awk '$1 == "Location:" { sub(/,/, "", $2); print $2; exit }')
    echo "p:probefs_join_$$/site $plug:$site" >>/sys/kernel/tracing/uprobe_events
    echo 1 >"/sys/kernel/tracing/events/probefs_join_$$/enable"
    start_loader "$work/far/file" "$plug" "$library"
    watch_stream "$mnt/$pid/trace"
    kill -USR1 "$pid"
    wait_until "grep -q ' vault:turn' '$trace'" 20
    end_reader
    echo 0 >"/sys/kernel/tracing/events/probefs_join_$$/enable"
    echo "-:probefs_join_$$/site" >>/sys/kernel/tracing/uprobe_events
    grep "^# not watched: '$work/far/file': .*FUSE" "$trace"
    grep "^# not watched: '$plug': .*another tracer" "$trace"
    assert_equal "$(grep -c '^# not watched' "$trace")" 2
}

@test "a worker that is killed ends its streams with EIO, and leaves nothing" {
    start_server
    shoot 1 1
    watch_stream "$shot/trace"
    kill -KILL "$(workers_of "$server" | head -n 1)"
    local status=0
    wait "$reader" || status=$?
    assert_equal "$status" 1 "exit status of cat"
    grep -q 'Input/output error' "$trace.err"
    is_as_before
    grep -q "could not read 'burst:shot/trace': EIO: .*worker has ended" "$mnt/$pid/error_log"
    watch_stream "$shot/trace"
    fire
    adds_up 1
}

@test "a reader, a server, an attacher that is killed leaves nothing" {
    start_server
    shoot 1 100
    watch_stream "$shot/trace"
    kill -KILL "$reader"
    is_as_before
    # What is attached is not the attacher's to end, and the next is attached by another one.
    watch_stream "$shot/trace"
    pkill -KILL -P "$server" -f '^probefs-attacher'
    fire
    adds_up 100
    end_reader
    is_as_before
    watch_stream "$shot/trace"
    kill_server "$server"
    is_as_before
    umount -l "$mnt"
}

@test "who may: root and the group, and with trace=users users their own" {
    start_server -o gid="$(id -g "$(user_name b)")"
    start_as a burst -w 1 1
    assert_errno_as a EPERM open-read "$mnt/$pid/trace"
    grep -q 'trace=users' "$mnt/$pid/error_log"
    assert_errno_as c EACCES open-read "$mnt/$pid/trace"
    remember
    watch_stream "$mnt/$pid/trace" setpriv --reuid "$(user_name b)" --regid "$(user_name b)" --init-groups cat
    end_reader
    is_as_before
    stop_server "$server" "$mnt"
    start_server -o trace=users
    watch_stream "$mnt/$pid/trace" setpriv --reuid "$(user_name a)" --regid "$(user_name a)" --init-groups cat
    assert_errno_as c EACCES open-read "$mnt/$pid/trace"
    start_as a undumpable
    assert_errno_as a EACCES open-read "$mnt/$pid/trace"
}

@test "README says how probes are watched here" {
    start_server
    grep -qE '^Probes are watched by (uprobe_multi links|perf events) here' "$mnt/README"
    assert_equal "$(wc -c <"$mnt/README")" "$(stat -c %s "$mnt/README")"
    watch_log=$(grep -c 'probes are watched by' "$log")
    assert_equal "$watch_log" 1 "lines in the log"
}

@test "with trace=no there is nothing to watch with" {
    start_server -o trace=no
    grep -q '^Nothing is watched here (-o trace=no)' "$mnt/README"
    start burst -w 1 1
    assert_errno ENOENT stat "$mnt/.trace"
    assert_errno ENOENT stat "$mnt/$pid/trace"
    assert_errno ENOENT stat "$mnt/$pid/burst:shot/trace"
    assert_equal "$(ls "$mnt/$pid" | grep -c -e trace -e hits)" 0
}

@test "a server that root has not started says so" {
    own_start a
    start_as a burst -w 1 1
    assert_equal "$(in_own a "$work/errno-of" open-read "$own/$pid/trace")" EOPNOTSUPP
    in_own a grep -q 'a server that root has started' "$own/$pid/error_log"
    assert_equal "$(in_own a cat "$own/$pid/burst:shot/hits")" "-"
}

@test "many streams at once, and many threads that read one" {
    start_server
    shoot 1 5000
    "$tests/lib/stream.py" many 100 "$shot/trace" >"$work/out/many" 2>&1 3>&- &
    reader=$!
    adopt "$reader"
    wait_until "[ \$(holders) = 100 ]" 60
    watch_stream "$shot/trace" "$tests/lib/stream.py" threads 8
    fire
    wait_until "grep -qx 100 '$work/out/many'" 30
    adds_up 5000
    kill -USR1 "$pid"
    wait "$reader"
}

# descriptors_and_memory: of the server, its workers and its attacher: how many, and KiB.
descriptors_and_memory() {
    local each all
    all=$(echo "$server"; pgrep -P "$server" -f '^probefs-(worker|attacher)')
    for each in $all; do
        find "/proc/$each/fd" -mindepth 1 | wc -l
        sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$each/status"
    done | awk 'NR % 2 { fds += $1; next } { memory += $1 } END { print fds, memory }'
}

@test "hundreds of streams of a user at once: each gets its own lines, and closing gives all back" {
    local as files=() fds memory i before after count
    count=$(fewer 512)
    as a
    # What is freed is to be gone: no large store of it.
    ASAN_OPTIONS+=":quarantine_size_mb=1:thread_local_quarantine_size_kb=16"
    python3 -B "$tests/targets/many.py" -p "$count" -s 1 -P web --build "$work/bin/many"
    # A user has room for 60.
    start_server -o trace=users -o user_memory=600
    start_as a many
    remember
    cp "$tests/lib/stream.py" "$work"
    mapfile -t files < <(printf "$mnt/$pid/web:probe_%05d/trace\n" $(seq 0 $((count - 1))))
    # Once before it is counted what there is.
    watch_stream "${files[0]}" "${as[@]}" cat
    end_reader
    is_as_before
    wait_until "[ \$(holders) = 0 ]"
    before=$(descriptors_and_memory)
    mkfifo "$work/close"
    "${as[@]}" "$work/stream.py" each "${files[@]}" >"$work/out/each" 2>&1 <"$work/close" 3>&- &
    reader=$!
    adopt "$reader"
    exec 8>"$work/close"
    wait_until "grep -qx open '$work/out/each' || ! kill -0 $reader" 60
    wait_until "[ \$(holders) = $count ]" 60
    echo "with $count: $(descriptors_and_memory)"
    kill -USR1 "$pid"
    wait_until "grep -qx 'done' '$work/out/each' || ! kill -0 $reader" 60
    assert_equal "$(grep -v -e open -e 'done' "$work/out/each")" \
        "$(printf 'got 1 web:probe_%05d\n' $(seq 0 $((count - 1))))"
    exec 8>&-
    wait "$reader"
    is_as_before
    wait_until "[ \$(holders) = 0 ]" 30
    back() {
        after=$(descriptors_and_memory)
        echo "before: $before; after: $after" >"$work/out/back"
        read -r fds memory <<<"$before"
        [ "${after% *}" -le $((fds + 4)) ] && [ "${after#* }" -le $((memory + memory / 4 + 8192)) ]
    }
    wait_until back 20
    cat "$work/out/back"
}
