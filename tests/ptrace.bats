#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# engine=ptrace: all threads are stopped for an update, and let go as they were.

load lib/session-with-users

setup() {
    session_begin
    start_server -o engine=ptrace
}

teardown() {
    # First what a thread hangs on.
    if [ "${hang:-}" ]; then
        stop "$hang"
        umount -l "$work/hang" || true
    fi
    session_end
}

# again FILE COUNT TEXT: many writes; see again.py.
again() {
    python3 "$tests/lib/again.py" "$@"
}

# again_for_ever FILE TEXT: in the background, until it gets SIGTERM. Sets: writer.
again_for_ever() {
    python3 "$tests/lib/again.py" "$1" 0 "$2" > "$work/again" 2>&1 3>&- &
    writer=$!
    adopt "$writer"
}

# refused_in_time FILE: ETIMEDOUT, in a bounded time (how long it takes exactly is not the question).
refused_in_time() {
    local before=$SECONDS
    assert_errno ETIMEDOUT write "$1" 1
    [ $((SECONDS - before)) -le "$(patient 4)" ]
}

@test "a probe is switched on and off" {
    start demo-ocaml_1
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    says '^gc_start'
    echo 0 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    is_silent '^gc_start'
}

@test "64 threads, which end and are created all the time: each update is done" {
    start threads -c -i 2 64
    # Threads that get no processor in a second are late; threads that cannot be stopped are so always.
    for _ in {1..5}; do
        result=$(again "$mnt/$pid/enabled" 100 '{s}')
        [ "$result" != "OK 100" ] || break
    done
    assert_equal "$result" "OK 100"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(< "$mnt/$pid/enabled")" 1
    wait_until 'is_let_go "$pid"'
    tell USR1 '^totals .* wrong=0'
    before=$(sed -n 's/.* hits=\([0-9]*\).*/\1/p' "$out" | tail -n 1)
    tell USR1 '^totals .* wrong=0'
    [ "$(sed -n 's/.* hits=\([0-9]*\).*/\1/p' "$out" | tail -n 1)" -gt "$before" ]
}

@test "a thread of the target that looks all the time never sees half of an update" {
    start observer
    # The observer can see one: in a process that is not stopped, it does.
    mkdir "$work/vm"
    start_server_at root "$work/vm"
    end=$((SECONDS + $(patient 20))) torn=0
    until [ "$torn" != 0 ] || [ $SECONDS -gt $end ]; do
        again "$work/vm/$pid/control" 100 '={n} epoch\n{s} watched_*\n'
        tell USR1 '^looks'
        torn=$(tail -n 1 "$out" | awk '{ print $4 }')
    done
    [ "$torn" -gt 0 ]
    looks=$(tail -n 1 "$out" | awk '{ print $2 }')
    assert_equal "$(again "$mnt/$pid/control" 500 '={n} epoch\n{s} watched_*\n')" "OK 500"
    tell USR1 '^looks'
    assert_match "$(tail -n 1 "$out")" "looks * torn $torn epoch 500"
    [ "$(tail -n 1 "$out" | awk '{ print $2 }')" -gt "$looks" ]
}

@test "a storm of real-time signals: none is lost, doubled or out of order" {
    start signals 4
    kill -USR1 "$pid"
    updates=${PROBEFS_STORM:-1000}
    assert_equal "$(again "$mnt/$pid/enabled" "$updates" '{s}')" "OK $updates"
    tell USR2 '^signals'
    assert_match "$(tail -n 1 "$out")" "signals sent=* missing=0 doubled=0 disordered=0"
    # More than one for each update, or it was no storm.
    [ "$(sed -n 's/^signals sent=\([0-9]*\).*/\1/p' "$out")" -gt "$updates" ]
}

@test "a stopped process stays stopped" {
    start demo-ocaml_1
    stays_stopped
}

@test "stopped and continued while updates stop it: it is as it was told last" {
    start threads 4
    again_for_ever "$mnt/$pid/enabled" '{s}'
    for _ in {1..30}; do
        pause_process "$pid"
        kill -CONT "$pid"
        tell USR1 '^totals .* wrong=0'
    done
    kill -STOP "$pid"
    sleep 0.1
    kill -TERM "$writer"
    wait "$writer"
    assert_match "$(cat "$work/again")" "OK +([0-9])"
    wait_until 'all_stopped "$pid"'
    assert_equal "$(grep -h TracerPid /proc/"$pid"/task/*/status | sort -u)" $'TracerPid:\t0'
    kill -CONT "$pid"
    tell USR1 '^totals .* wrong=0'
    is_let_go "$pid"
}

@test "traced by strace: EBUSY, which names it; and nothing is changed" {
    start demo-ocaml_1
    target=$pid
    start_command root strace -o /dev/null -p "$target"
    wait_until "! grep -q '^TracerPid:.0' /proc/$target/status"
    assert_errno EBUSY write "$mnt/$target/gc_start/enabled" 1
    assert_match "$(tail -n 1 "$mnt/$target/error_log")" "*is traced by strace (pid $pid)*"
    assert_equal "$(memory_of "$target" gc_start)" "0 off"
}

@test "a process that is not dumpable is stopped as well: its user may not, so that root's helper does" {
    start_as a undumpable
    for _ in {1..5}; do
        echo 1 > "$mnt/$pid/gc_start/enabled"
        assert_equal "$(memory_of "$pid" gc_start)" "1 on"
        echo 0 > "$mnt/$pid/gc_start/enabled"
        assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    done
    exec 9> "$mnt/$pid/gc_start/hold"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    exec 9>&-
    look "$pid"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    is_let_go "$pid"
    stays_stopped
    # Whoever traces it is in the way of a stop, which proves that there is one.
    peek "$pid" > "$work/before"
    target=$pid
    start_command root strace -f -o "$work/trace" -p "$target"
    wait_until "! grep -q '^TracerPid:.0' /proc/$target/status"
    assert_errno EBUSY write "$mnt/$target/gc_start/enabled" 0
    assert_match "$(tail -n 1 "$mnt/$target/error_log")" "*is traced by strace (pid $pid)*"
    peek "$target" | diff "$work/before" -
    stop "$pid"
    wait_until "is_let_go $target"
    echo 0 > "$mnt/$target/gc_start/enabled"
    assert_equal "$(memory_of "$target" gc_start)" "0 off"
}

@test "traced by gdb, which holds it or lets it run: EBUSY, which names it" {
    start demo-ocaml_1
    target=$pid target_out=$out
    for command in 'shell sleep 1000' continue; do
        start_command root gdb -nx -q -batch -p "$target" -ex "$command"
        wait_until "grep -q '^TracerPid:.$pid\$' /proc/$target/status"
        assert_errno EBUSY write "$mnt/$target/gc_start/enabled" 1
        assert_match "$(tail -n 1 "$mnt/$target/error_log")" "*is traced by gdb (pid $pid)*"
        assert_equal "$(memory_of "$target" gc_start)" "0 off"
        stop "$pid"
        wait_until "grep -q '^TracerPid:.0' /proc/$target/status"
    done
    kill -CONT "$target"
    echo 1 > "$mnt/$target/gc_start/enabled"
    says '^gc_start' "$target_out"
}

@test "one of its threads is traced, and not the main one: EBUSY, and no other stays stopped" {
    start threads -i 5 8
    target=$pid
    thread=$(basename "$(ls -d /proc/"$pid"/task/* | tail -n 1)")
    [ "$thread" != "$pid" ]
    cat > "$work/seize.py" <<'END'
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
print("seized", libc.ptrace(0x4206, int(sys.argv[1]), None, None), flush=True)
time.sleep(1000)
END
    start_command root /usr/bin/python3 "$work/seize.py" "$thread"
    wait_until 'grep -q "^seized 0" "$out"'
    assert_errno EBUSY write "$mnt/$target/gc_start/enabled" 1
    assert_match "$(tail -n 1 "$mnt/$target/error_log")" "*is traced by python3 (pid $pid)*"
    assert_equal "$(memory_of "$target" gc_start)" "0 off"
    stop "$pid"
    wait_until 'is_let_go "$target"'
    echo 1 > "$mnt/$target/gc_start/enabled"
}

@test "a thread in vfork: ETIMEDOUT, nothing is changed, nobody is left stopped" {
    start vforker -t /bin/true
    adopt_child
    refused_in_time "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    assert_equal "$(< "$mnt/$pid/gc_start/enabled")" 0
    is_let_go "$pid"
    # The vfork ends, and what was asked of the thread meanwhile does not stop it now.
    kill -USR1 "$child"
    wait_until "! is_running $child"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    is_let_go "$pid"
}

# start_hanging: a filesystem with a file that nobody can read. Sets: hang (its pid).
start_hanging() {
    mkdir "$work/hang"
    cp "$build/tests/fuse-hang/fuse-hang" "$work/bin"
    start_command root "$work/bin/fuse-hang" /etc/passwd "$work/hang"
    hang=$pid
    wait_until 'grep -q ^pid "$out"'
    tell USR1 '^silent'
}

@test "a program that is replaced by one that cannot be read: ETIMEDOUT, and it goes on" {
    # The kernel lets whoever wants to trace it wait for the end of the exec.
    start_hanging
    start execer -q -i 10 "$work/hang/file"
    exec 5<> "$mnt/$pid/gc_start/enabled"
    kill -USR1 "$pid"
    wait_until "grep -q '^59 ' /proc/$pid/syscall"
    refused_in_time @5
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" "*while one of them replaces the program*"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    assert_match "$(< "$mnt/$pid/enabled")" 0
    start demo-ocaml_1
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    exec 5>&-
    stop "$hang"
}

@test "a thread in a read that never ends: ETIMEDOUT, nothing is changed, nobody is left stopped" {
    start_hanging
    start blocked "$work/hang/file"
    wait_until "grep -q '^0 ' /proc/$pid/task/*/syscall"
    refused_in_time "$mnt/$pid/gc_start/enabled"
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" "*1 of its threads did not stop in time*"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    is_let_go "$pid"
    stop "$hang"
    wait_until 'grep -q "^read -1" "$out"'
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
}

@test "a process that switches its own probes through the mount: no deadlock" {
    cat > "$work/own.py" <<'END'
import os, sys, threading
def switch(path):
    fd = os.open(path, os.O_WRONLY)
    for i in range(50):
        os.write(fd, b"01"[i % 2:][:1])
own = f"{sys.argv[1]}/{os.getpid()}"
names = [name for name in os.listdir(own) if os.path.isdir(f"{own}/{name}")]
threads = [threading.Thread(target=switch, args=[f"{own}/{name}/enabled"]) for name in names[:4]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done", len(threads))
END
    chmod 644 "$work/own.py"
    for user in root a; do
        start_command "$user" /usr/bin/python3 "$work/own.py" "$mnt"
        wait_until 'grep -q ^done "$out" || ! is_running "$pid"' 60
        assert_equal "$(cat "$out")" "done 4"
    done
}

@test "two processes that switch each other's probes: no deadlock" {
    cat > "$work/other.py" <<'END'
import os, sys, threading, time
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
fd = os.open(f"{sys.argv[1]}/{open(sys.argv[2]).read().strip()}/enabled", os.O_WRONLY)
for i in range(60):
    os.write(fd, b"01"[i % 2:][:1])
print("done", flush=True)
time.sleep(1000)
END
    for each in 1 2; do
        start_command a /usr/bin/python3 "$work/other.py" "$mnt" "$work/other-$each"
        pids[each]=$pid outs[each]=$out
    done
    # Each begins when it can read the number of the other.
    for each in 1 2; do
        echo "${pids[3 - each]}" > "$work/$each" && mv "$work/$each" "$work/other-$each"
    done
    for each in 1 2; do
        wait_until "grep -q ^done '${outs[each]}' || ! is_running ${pids[each]}" 60
        assert_equal "$(cat "${outs[each]}")" "done"
    done
}

# stop_while_it_execs: each image becomes the next by a thread's exec; the last one's main thread ends.
# Sets: pid, late (how many of some hundred updates waited for a thread in vain).
stop_while_it_execs() {
    local each writers=() chain=()
    for _ in {1..30}; do chain+=("$(target execer)" -q -i 1); done
    start_command root "${chain[@]}" "$(target threads)" -e -i 5 4
    : > "$work/again"
    for each in {1..30}; do
        wait_until "[ \$(lines_of ^pid) = $each ]"
        again "$mnt/$pid/enabled" 5 '{s}' >> "$work/again" 2>&1 3>&- &
        writers+=($!)
        kill -USR2 "$pid"
    done
    wait "${writers[@]}" || true
    late=$(grep -c ETIMEDOUT "$work/again" || true)
}

@test "a thread that calls exec, and a main thread that ends, while all is stopped" {
    # A thread that got no processor in time is late now and then, one that cannot stop each time.
    for _ in 1 2 3; do
        stop_while_it_execs
        [ "$late" != 0 ] || break
    done
    # Whatever the moment was: done, or gone; but no thread was waited for in vain.
    assert_equal "$late" 0
    grep -q ESRCH "$work/again"
    wait_until "grep -q '^State:.Z' /proc/$pid/status"
    assert_equal "$(again "$mnt/$pid/enabled" 10 '{s}')" "OK 10"
}

@test "the server killed in the middle: the target runs on, its state is read and mended" {
    start many-1000 -q
    many=$pid
    start threads -i 1 16
    for _ in $(seq "${PROBEFS_KILLS:-12}"); do
        writers=()
        for each in "$pid" "$many"; do
            again_for_ever "$mnt/$each/enabled" '{s}'
            writers+=("$writer")
        done
        sleep "0.$((RANDOM % 20 + 10))"
        kill_server "$server"
        kill -TERM "${writers[@]}"
        wait "${writers[@]}" || true
        # No thread stays held, whatever the worker was about to do when its server ended.
        wait_until "is_let_go $pid && is_let_go $many" 2
        umount -l "$mnt"
        start_server -o engine=ptrace
        for each in "$pid" "$many"; do
            assert_match "$(< "$mnt/$each/enabled")" "[01X]"
            # 16 threads that compute may not all get a processor in the second that they have to stop.
            wait_until "echo 1 > '$mnt/$each/enabled'"
            assert_equal "$(< "$mnt/$each/enabled")" 1
            wait_until "echo 0 > '$mnt/$each/enabled'"
            assert_equal "$(memory_of_all "$each")" "0 off"
        done
        tell USR1 '^totals .* wrong=0'
    done
}
