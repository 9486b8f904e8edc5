#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# hold: a reference for as long as a file is open.

load lib/session-with-users
load lib/own
load lib/tracers

setup() {
    session_begin
    start_server
}

teardown() {
    tracers_end
    own_end
    session_end
}

# start_to_hold [TARGET [USER]]: a target whose gc_start is chosen.
start_to_hold() {
    start_for "${2:-root}" "${1:-demo-ocaml_1}" -q
    choose_probe gc_start
}

# within_ms MILLISECONDS COMMAND: by the clock of a machine that is not busy.
within_ms() {
    local start=${EPOCHREALTIME/./} now REPLY
    patience "$1"
    until eval "$2"; do
        now=${EPOCHREALTIME/./}
        if [ $(((now - start) / 1000)) -gt "$REPLY" ]; then
            echo "not within $REPLY ms: $2"
            return 1
        fi
    done
}

gone='[ "$(memory_of "$pid" "$probe")" = "0 off" ]'

# holder [COMMAND]...: a process that has `hold` open for writing. Sets: holder (its pid).
holder() {
    local file
    holders=$((${holders:-0} + 1))
    file=$work/out/holder-$holders
    bash -c 'exec 9> "$1" && echo holding && exec sleep 1000' sh "${1:-$hold}" > "$file" 2>&1 \
        < /dev/null 3>&- &
    holder=$!
    adopt $holder
    wait_until "grep -q holding '$file'"
}

# finish PID SIGNAL: ends a holder, and waits for it.
finish() {
    kill "-$2" "$1"
    wait "$1" || true
}

@test "an open for writing adds a reference, its close takes it away" {
    start_to_hold
    exec 9> "$hold"
    shows_after_look "1 on"
    assert_equal "$(< "$folder/enabled")" 1
    assert_equal "$(cat "$hold")" 1
    exec 9>&-
    shows_after_look "0 off"
    assert_equal "$(cat "$hold")" 0
}

@test "each open counts, of any kind: >, >>, <>" {
    start_to_hold
    exec 7> "$hold" 8>> "$hold" 9<> "$hold"
    shows_after_look "3 on"
    assert_equal "$(cat "$hold")" 3
    exec 8>&-
    shows_after_look "2 on"
    exec 7>&-
    assert_equal "$(cat <&9)" 1
    exec 9>&-
    shows_after_look "0 off"
}

@test "a hold adds to what is there, and leaves others' references" {
    start_to_hold
    echo 5 > "$folder/semaphore"
    exec 9> "$hold"
    shows_after_look "6 on"
    echo +1 > "$folder/semaphore"
    exec 9>&-
    shows_after_look "6 on"
}

@test "1 to enabled does not end a hold" {
    start_to_hold
    exec 9> "$hold"
    echo 1 > "$folder/enabled"
    shows_after_look "1 on"
    assert_equal "$(cat "$hold")" 1
    exec 9>&-
    shows_after_look "0 off"
}

@test "dup and fork count once, the last close takes it away" {
    start_to_hold
    exec 9> "$hold"
    exec 8>&9
    shows_after_look "1 on"
    sleep 1000 3>&- &
    child=$!
    adopt $child
    assert_equal "$(cat "$hold")" 1
    exec 9>&-
    shows_after_look "1 on"
    exec 8>&-
    shows_after_look "1 on"
    finish $child TERM
    shows_after_look "0 off"
}

@test "the holder's exit, crash and kill" {
    start_to_hold
    sh -c 'exec 9> "$1"; cat "${1%/hold}/semaphore"' sh "$hold" > "$work/seen"
    assert_equal "$(cat "$work/seen")" 1
    shows_after_look "0 off"
    for signal in TERM SEGV ABRT KILL; do
        holder
        shows_after_look "1 on"
        finish $holder $signal
        assert_equal "$(< "$folder/semaphore")" 0 "after SIG$signal"
        shows_after_look "0 off"
    done
}

# The look comes from the process that has just reaped the holders: nothing is between.
look_after_kill='import os, signal, sys
hold, semaphore, count, each = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for turn in range(5):
    read, write = os.pipe()
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            files = [os.open(hold, os.O_WRONLY) for _ in range(each)]
            os.write(write, b".")
            signal.pause()
        children.append(child)
    ready = 0
    while ready < count:
        ready += len(os.read(read, count))
    with open(semaphore) as file:
        before = file.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    with open(semaphore) as file:
        print(before.strip(), file.read().strip())'

@test "SIGKILL of 100 holders at once: a look that starts after sees 0, five times" {
    start_to_hold
    assert_equal "$(python3 -c "$look_after_kill" "$hold" "$folder/semaphore" 100 1 | uniq -c |
        awk '{ $1 = $1 } 1')" "5 100 0"
    shows_after_look "0 off"
}

@test "SIGKILL of a holder of 100: a look that starts after sees 0, five times" {
    start_to_hold
    assert_equal "$(python3 -c "$look_after_kill" "$hold" "$folder/semaphore" 1 100 | uniq -c |
        awk '{ $1 = $1 } 1')" "5 100 0"
    shows_after_look "0 off"
}

@test "SIGKILL of 100 holders of a user's target" {
    start_to_hold demo-ocaml_1 a
    assert_equal "$(run_as a python3 -c "$look_after_kill" "$hold" "$folder/semaphore" 100 1 |
        uniq -c | awk '{ $1 = $1 } 1')" "5 100 0"
    shows_after_look "0 off"
}

@test "close by close: each look that starts after close returned sees one less" {
    start_to_hold
    assert_equal "$(python3 - "$hold" "$folder/semaphore" <<'END'
import os, sys
hold, semaphore = sys.argv[1:]
late = 0
for turn in range(5):
    files = [os.open(hold, os.O_WRONLY) for _ in range(50)]
    while files:
        os.close(files.pop())
        with open(semaphore) as file:
            late += int(file.read()) != len(files)
print("late", late)
END
    )" "late 0"
}

@test "opened for reading it adds none, and gives the number of holds" {
    start_to_hold
    before=$(peek "$pid")
    exec 9< "$hold"
    assert_equal "$(cat <&9)" 0
    assert_equal "$(peek "$pid")" "$before"
    exec 9<&-
    echo 4 > "$folder/semaphore"
    assert_equal "$(cat "$hold")" 0 "a reference is no hold"
    exec 8> "$hold" 9> "$hold"
    assert_equal "$(cat "$hold")" 2
    exec 8>&- 9>&-
    assert_equal "$(cat "$mnt/$pid/gc_stop/hold")" 0
}

@test "writing text into it is EINVAL, and the hold stays" {
    start_to_hold
    for text in '1' '0\n' '+1' '\n'; do
        assert_errno EINVAL write "$hold" "$text"
        shows_after_look "0 off"
    done
    exec 9> "$hold"
    assert_errno EINVAL write @9 '1\n'
    assert_errno EINVAL write @9 '0\n'
    shows_after_look "1 on"
    run ! sh -c 'echo 1 > "$1"' sh "$hold"
    exec 9>&-
    shows_after_look "0 off"
}

@test "grep -r, tar, wc and find over the tree switch nothing on" {
    start sdt -q
    other=$pid other_before=$(peek "$pid")
    start_to_hold
    before=$(peek "$pid")
    cd "$mnt"
    # Other processes of the machine may end in the middle of it.
    grep -r . . > "$work/grep" 2> /dev/null || true
    grep -r . "$pid" "$other" > /dev/null
    grep -q "^./$pid/gc_start/hold:0" "$work/grep"
    grep -q "^./$other/web:query/hold:0" "$work/grep"
    tar -cf "$work/tar" "$pid" "$other" 2> /dev/null || true
    find "$pid" "$other" -type f -exec wc -c {} + > /dev/null
    find "$pid" "$other" -type f -exec head -c 1 {} + > /dev/null
    cd "$work"
    assert_equal "$(peek "$pid")" "$before"
    assert_equal "$(peek "$other")" "$other_before"
}

@test "touching and truncating add nothing that stays" {
    start_to_hold
    touch "$hold"
    truncate -s 0 "$hold"
    stat "$hold" > /dev/null
    : > "$hold"
    shows_after_look "0 off"
}

@test "a full counter: EOVERFLOW, and nothing is held" {
    start_to_hold
    echo 65535 > "$folder/semaphore"
    assert_errno EOVERFLOW open-write "$hold"
    shows_after_look "65535 on"
    assert_equal "$(cat "$hold")" 0
    start_probe sdt request_start web:request_start
    echo 32767 > "$semaphore"
    assert_errno EOVERFLOW open-write "$hold"
    shows_after_look "32767 nop"
}

# ---- 0 ends older claims ------------------------------------------------------------------

# ends_claims FILE TEXT VALUE: after it the counter is VALUE, and a hold's close takes nothing.
ends_claims() {
    local after=$(($3 + 3))
    exec 8> "$hold" 9> "$hold"
    assert_equal "$(cat "$hold")" 2
    echo "$2" > "$1"
    assert_equal "$(< "$folder/semaphore")" "$3" "after $2"
    assert_equal "$(cat "$hold")" 0 "holds after $2"
    printf '%s\n' +1 | tee "$folder/semaphore" > /dev/null
    echo +1 > "$folder/semaphore"
    exec 7> "$hold"
    assert_equal "$(< "$folder/semaphore")" $after "two references and a new hold"
    exec 8>&- 9>&-
    assert_equal "$(< "$folder/semaphore")" $after "old holds are closed"
    exec 7>&-
    shows_after_look "$((after - 1)) on"
    echo 0 > "$folder/enabled"
}

@test "0 and values end older claims, through each file (a root's target)" {
    start_to_hold
    ends_claims "$folder/enabled" 0 0
    ends_claims "$folder/semaphore" 0 0
    ends_claims "$folder/semaphore" 1 1
    ends_claims "$folder/semaphore" 9 9
    ends_claims "$mnt/$pid/enabled" 0 0
    ends_claims "$mnt/$pid/control" '0 gc_start' 0
    ends_claims "$mnt/$pid/control" '=1 gc_start' 1
    ends_claims "$mnt/$pid/control" '=4 *' 4
}

@test "0 and values end older claims, through each file (a user's target)" {
    start_to_hold demo-ocaml_1 a
    ends_claims "$folder/enabled" 0 0
    ends_claims "$folder/semaphore" 0 0
    ends_claims "$folder/semaphore" 1 1
    ends_claims "$mnt/$pid/enabled" 0 0
    ends_claims "$mnt/$pid/control" '0 gc_start' 0
    ends_claims "$mnt/$pid/control" '=1 gc_start' 1
}

@test "a user's 0 ends root's hold of that user's target" {
    start_to_hold demo-ocaml_1 a
    exec 9> "$hold"
    run_as a sh -c 'echo 0 > "$1/enabled"; echo +1 > "$1/semaphore"' sh "$folder"
    exec 9>&-
    shows_after_look "1 on"
}

@test "a hold that is not named keeps its claim" {
    start_to_hold
    exec 9> "$hold"
    echo 0 > "$mnt/$pid/gc_stop/enabled"
    echo '0 gc_stop boot' > "$mnt/$pid/control"
    exec 9>&-
    shows_after_look "0 off"
}

@test "an update that fails ends no claim" {
    start_to_hold
    exec 9> "$hold"
    assert_errno ENOENT write "$mnt/$pid/control" '0 gc_start\n0 nothing\n'
    assert_errno ERANGE write "$folder/semaphore" 65536
    assert_equal "$(cat "$hold")" 1
    exec 9>&-
    shows_after_look "0 off"
}

@test "-1 takes a hold's reference, and its close takes no more" {
    start_to_hold
    exec 9> "$hold"
    echo -1 > "$folder/semaphore"
    shows_after_look "0 off"
    exec 9>&-
    shows_after_look "0 off"
}

@test "0 through a probe that shares the semaphore ends the claim, too" {
    start_probe sdt cache_hit web:cache_hit
    exec 9> "$hold"
    shows_after_look "1 nop"
    echo 0 > "$mnt/$pid/web:cache_miss/enabled"
    shows_after_look "0 nop"
    echo +1 > "$folder/semaphore"
    exec 9>&-
    shows_after_look "1 nop"
}

# ---- mounts and servers -------------------------------------------------------------------

@test "umount while a hold is open is busy, and releases none" {
    start_to_hold
    holder
    run umount "$mnt"
    assert_equal "$status" 32
    shows_after_look "1 on"
    finish $holder KILL
    shows_after_look "0 off"
}

@test "a lazy umount, then the holder's end: released, and the server ends well" {
    start_to_hold
    holder
    umount -l "$mnt"
    finish $holder KILL
    within_ms 1000 "$gone"
    wait_until "! is_running $server"
    wait "$server"
}

@test "a forced umount releases every hold" {
    start_to_hold
    holder
    umount -f -l "$mnt"
    within_ms 1000 "$gone"
    finish $holder KILL
    wait_until "! is_running $server"
    wait "$server"
}

@test "SIGTERM of the server releases every hold" {
    start_to_hold
    root_pid=$pid
    holder
    start_to_hold demo-ocaml_1 a
    holder
    shows_after_look "1 on"
    kill -TERM "$server"
    within_ms 1000 "$gone"
    pid=$root_pid
    within_ms 1000 "$gone"
    finish $holder KILL
}

@test "SIGKILL of the server: holds are gone within a second" {
    start_to_hold
    root_pid=$pid
    for _ in 1 2 3 4 5; do holder; done
    shows_after_look "5 on"
    start_to_hold demo-ocaml_1 a
    user_pid=$pid
    holder
    start_probe sdt query web:query
    holder
    shows_after_look "1 nop"
    kill -KILL "$server"
    within_ms 1000 '[ "$(memory_of $pid query)" = "0 nop" ]
        [ "$(memory_of $root_pid gc_start),$(memory_of $user_pid gc_start)" = "0 off,0 off" ]'
    wait "$server" || true
}

@test "SIGKILL of the server leaves what is no hold" {
    start_to_hold
    echo 3 > "$folder/semaphore"
    echo 1 > "$mnt/$pid/gc_stop/enabled"
    holder
    holder "$mnt/$pid/gc_stop/hold"
    shows_after_look "4 on"
    kill_server "$server"
    within_ms 1000 '[ "$(memory_of $pid gc_start),$(memory_of $pid gc_stop)" = "3 on,1 on" ]'
}

@test "SIGKILL of the server: no worker stays" {
    start_to_hold demo-ocaml_1 a
    holder
    start_to_hold
    holder
    workers=$(workers_of "$server")
    [ "$workers" ]
    kill_server "$server"
    for worker in $workers; do
        wait_until "! is_running $worker" 2
    done
}

@test "two servers: each has its own holds, and the death of one releases its own alone" {
    start_to_hold
    first=$server
    mkdir "$work/second"
    start_server_at root "$work/second"
    holder
    holder "$work/second/$pid/gc_start/hold"
    shows_after_look "2 on"
    kill_server "$first"
    within_ms 1000 '[ "$(memory_of $pid gc_start)" = "1 on" ]'
    assert_equal "$(cat "$work/second/$pid/gc_start/hold")" 1
    finish $holder KILL
    cat "$work/second/$pid/gc_start/enabled" > /dev/null
    shows "0 off"
}

@test "a user's own server: a hold, its close and the server's death" {
    own_start a
    start_to_hold demo-ocaml_1 a
    hold=$own/$pid/gc_start/hold
    in_own a sh -c 'exec 9> "$1"; exec cat "${1%/hold}/semaphore" "$1"' sh "$hold" > "$work/seen"
    assert_equal "$(paste -sd, < "$work/seen")" 1,1
    in_own a cat "$own/$pid/gc_start/enabled" > /dev/null
    shows "0 off"
    in_own a sh -c 'exec 9> "$1"; echo holding; exec sleep 1000' sh "$hold" > "$work/out/holds" \
        2>&1 < /dev/null 3>&- &
    wait_until 'grep -q holding "$work/out/holds"'
    sleeper=$(pgrep -u "$(user_name a)" -x sleep)
    adopt "$sleeper"
    shows_after_look "1 on"
    kill -KILL "$own_server"
    within_ms 1000 "$gone"
}

# ---- targets --------------------------------------------------------------------------------

@test "a target that forks: the child has no hold, and loses the reference of its parent's" {
    start_to_hold forker
    parent=$pid
    exec 9> "$hold"
    kill -USR1 "$pid"
    adopt_child
    assert_equal "$(memory_of "$child" gc_start)" "1 on"
    assert_equal "$(cat "$mnt/$child/gc_start/hold")" 0
    exec 9>&-
    look "$parent"
    assert_equal "$(memory_of "$parent" gc_start)" "0 off"
    assert_equal "$(memory_of "$child" gc_start)" "0 off"
}

@test "a target that moves its arguments (PR_SET_MM_MAP) is the same image" {
    local inode
    start_to_hold retitler
    exec 9> "$hold" 8< "$folder/enabled"
    inode=$(stat -c %i "$folder")
    kill -USR1 "$pid"
    wait_until 'grep -qx retitled "$out"'
    assert_match "$(tr '\0' ' ' < "/proc/$pid/cmdline")" "retitler: under another title*"
    sleep 1.1 # names and attributes may be as old as a second
    assert_equal "$(stat -c %i "$folder")" "$inode"
    assert_equal "$(cat <&8)" 1
    assert_equal "$(cat "$hold")" 1
    exec 9>&- 8<&-
    shows_after_look "0 off"
    echo 1 > "$folder/enabled"
    shows_after_look "1 on"
}

@test "a target that ends, or becomes another program, before the hold is closed" {
    start_to_hold
    exec 9> "$hold"
    stop "$pid"
    exec 9>&-
    start_for root execer -q "$(target demo-ocaml_1)" -q
    exec 9> "$mnt/$pid/gc_start/hold"
    kill -USR1 "$pid"
    wait_until "[ \$(grep -c '^pid' '$out') = 2 ]"
    before=$(peek "$pid")
    exec 9>&-
    assert_equal "$(peek "$pid")" "$before" "the new program"
    start_to_hold
    exec 9> "$hold"
    exec 9>&-
    shows_after_look "0 off"
}

@test "a library that is loaded later is not in an older hold" {
    library=$(target libplug.so)
    start_for root host -q "$library"
    choose_probe gc_start
    exec 9> "$hold"
    kill -USR1 "$pid"
    wait_until 'grep -q loaded "$out"'
    assert_equal "$(memory_of "$pid" gc_start libplug)" "0 off"
    exec 9>&-
    shows_after_look "0 off"
    exec 9> "$hold"
    shows_after_look "1 on"
    kill -USR2 "$pid"
    wait_until 'grep -q unloaded "$out"'
    exec 9>&-
    shows_after_look "0 off"
}

@test "several counters: a hold is a reference in each" {
    start_probe sdt query web:query
    peek "$pid" poke "$(counter_of "$pid" query)" 0200
    exec 9> "$hold"
    shows_after_look "1 nop,3 nop"
    exec 9>&-
    shows_after_look "0 nop,2 nop"
}

@test "a hold beside bpftrace: added and taken away, and bpftrace detaches cleanly" {
    needs_bpftrace
    start_probe sdt request_start web:request_start
    complaints=$(kernel_complaints)
    exec 9> "$mnt/$pid/web:request_start/hold"
    trace "$work/bin/sdt" web:request_start "$pid" request_start
    shows_after_look "2 trap"
    exec 8> "$mnt/$pid/web:request_start/hold"
    shows_after_look "3 trap"
    exec 9>&-
    shows_after_look "2 trap"
    untrace "$tracer"
    shows_after_look "1 nop"
    exec 8>&-
    shows_after_look "0 nop"
    assert_equal "$(kernel_complaints)" "$complaints" "ref_ctr lines in the kernel's log"
}
