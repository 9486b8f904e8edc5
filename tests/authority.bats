#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# Who may see and switch what. One mount of root's for all; a and b are ordinary users.

load lib/session-with-users
load lib/authority

setup() {
    session_begin
    start_server
}

@test "a user's own processes work through root's mount" {
    a_and_b
    assert_equal "$(listed_for a | grep -cx "$a")" 1
    assert_equal "$(run_as a cat "$mnt/$a/gc_start/enabled")" 0
    shell_as a 'echo 1 > "$mnt/$pid/gc_start/enabled"'
    assert_equal "$(run_as a cat "$mnt/$a/gc_start/enabled")" 1
    assert_equal "$(memory_of "$a" gc_start)" "1 on"
    says '^gc_start'
    shell_as a 'echo 0 > "$mnt/$pid/enabled"'
    assert_equal "$(run_as a cat "$mnt/$a/enabled")" 0
    assert_errno_as a EINVAL write "$mnt/$a/enabled" 2
    assert_equal "$(run_as a readlink "$mnt/$a/exe")" "$work/bin/demo-ocaml_1"
    assert_equal "$(run_as a find "$mnt/$a" -name enabled | wc -l)" 6
    assert_equal "$(run_as a cat "$mnt/README" | wc -l)" "$(wc -l < "$mnt/README")"
}

@test "owners and modes of a user's process" {
    a_and_b
    name=$(user_name a)
    assert_equal "$(stat -c '%a %U %G' "$mnt/$a")" "500 $name $name"
    assert_equal "$(stat -c '%a %U %G' "$mnt/$a/gc_start")" "500 $name $name"
    assert_equal "$(stat -c '%a %U %G' "$mnt/$a/gc_start/enabled")" "600 $name $name"
}

@test "another user's process is neither listed nor opened nor switched" {
    a_and_b
    refused_for a "$b"
    refused_for b "$a"
    start demo-ocaml_1 -q
    refused_for a "$pid"
}

@test "a user's listing holds that user's processes alone" {
    a_and_b
    start demo-ocaml_1 -q
    for each in $(listed_for a | grep '^[0-9]'); do
        [ -e "/proc/$each" ] || continue
        assert_equal "$(stat -c %U "/proc/$each")" "$(user_name a)" "owner of $each"
    done
    assert_equal "$(ls "$mnt" | grep -cx -e "$a" -e "$b" -e "$pid")" 3 "listed for root"
}

@test "grep and find of a user stop at others' doors, and go on" {
    a_and_b
    grep -l 1 "$mnt/$b"/*/enabled | grep -qx "$mnt/$b/boot/enabled" # which root finds
    # 2: other suites' processes of a's come and go.
    shell_as a 'cd "$mnt" && { grep -l 1 */*/enabled || [ $? = 2 ]; }' > "$work/on" 2> "$work/missed"
    assert_equal "$(grep -v -e 'No such file' -e 'No such process' "$work/missed")" ""
    grep -qx "$a/boot/enabled" "$work/on"
    assert_equal "$(grep -c "^$b/" "$work/on" || true)" 0
}

@test "root sees and switches all" {
    a_and_b
    for each in "$a" "$b"; do
        assert_equal "$(state_of "$each" gc_start)" 0
        echo 1 > "$mnt/$each/gc_start/enabled"
        assert_equal "$(memory_of "$each" gc_start)" "1 on"
        echo 0 > "$mnt/$each/enabled"
        assert_equal "$(< "$mnt/$each/enabled")" 0
    done
}

@test "uid 0 without CAP_SYS_PTRACE: refused for other users' processes" {
    a_and_b
    memory=$(peek "$a")
    no_ptrace() {
        run_without_ptrace "$targets/errno-of" "$@"
    }
    lists_none "$(run_without_ptrace ls "$mnt")" "$a" "$b"
    assert_equal "$(no_ptrace open-read "$mnt/$a/gc_start/enabled")" EACCES
    assert_equal "$(no_ptrace open-write "$mnt/$a/gc_start/enabled")" EACCES
    assert_equal "$(no_ptrace write "$mnt/$a/enabled" 1)" EACCES
    assert_equal "$(no_ptrace write-creating "$mnt/$a/enabled" 1)" EACCES
    assert_equal "$(no_ptrace list "$mnt/$a")" EACCES
    assert_equal "$(no_ptrace readlink "$mnt/$a/exe")" EACCES
    assert_equal "$(peek "$a")" "$memory" "the memory"
    # The same command with the capability, as a control.
    assert_errno OK write "$mnt/$a/gc_start/enabled" 1
}

@test "uid 0 with CAP_SYS_PTRACE permitted, but not in effect" {
    a_and_b
    run -0 python3 -c '
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)()
assert libc.capget(header, data) == 0
data[0] &= ~(1 << 19)
assert libc.capset(header, data) == 0
try:
    os.open(sys.argv[1], os.O_RDWR)
    print("OK")
except OSError as error:
    print(errno.errorcode[error.errno])' "$mnt/$a/gc_start/enabled"
    assert_equal "$output" EACCES
}

@test "authority is what it was at the open: a descriptor keeps it" {
    a_and_b
    exec 5<> "$mnt/$b/gc_start/enabled"
    assert_errno_as a OK read @5
    assert_errno_as a OK write @5 1
    exec 5>&-
    assert_equal "$(memory_of "$b" gc_start)" "1 on"
}

@test "a cached permission of one user is not another's" {
    a_and_b
    for _ in 1 2 3; do
        assert_errno_as a OK open-read "$mnt/$a/gc_start/enabled"
        assert_errno_as b EACCES open-read "$mnt/$a/gc_start/enabled"
        assert_errno OK open-read "$mnt/$a/gc_start/enabled"
        assert_errno_as b EACCES list "$mnt/$a"
    done
}

@test "setuid: exec between open and write changes nothing in the new image" {
    cp "$(target demo-ocaml_1)" "$work/bin/setuid-demo"
    chmod 4755 "$work/bin/setuid-demo"
    start_as a execer -i 20 "$work/bin/setuid-demo" -q
    mkfifo "$work/go" "$work/answers"
    chmod 666 "$work/go" "$work/answers"
    # The user opens, waits for the exec, and then writes.
    start_program=$pid
    shell_as a 'exec 5<> "$mnt/$pid/gc_start/enabled" 6<> "$mnt/$pid/enabled"
        echo opened > "$work/answers"
        read -r _ < "$work/go"
        for fd in 5 6; do
            "$work/errno-of" write @$fd 1
            "$work/errno-of" read @$fd
        done > "$work/answers"' 3>&- &
    writer=$!
    read -r answer < "$work/answers"
    assert_equal "$answer" opened
    exec 7<> "$mnt/$start_program/gc_start/enabled"
    kill -USR1 "$pid"
    wait_until '[ "$(lines_of "^pid")" = 2 ]'
    assert_equal "$(awk '/^Uid:/ { print $2 != 0, $3 }' "/proc/$pid/status")" "1 0" "real, effective"
    memory=$(peek "$pid")
    echo > "$work/go"
    answers=$(paste -sd' ' < "$work/answers")
    wait "$writer"
    assert_equal "$answers" "ESRCH ESRCH ESRCH ESRCH" "the user's old descriptors"
    assert_errno ESRCH write @7 1
    exec 7>&-
    assert_equal "$(peek "$pid")" "$memory" "the setuid image"
}

@test "a setuid program belongs to root: refused for the user who runs it, not for root" {
    cp "$(target demo-ocaml_1)" "$work/bin/setuid-demo"
    chmod 4755 "$work/bin/setuid-demo"
    start_command a "$work/bin/setuid-demo" -i 20
    wait_until 'grep -q ^pid "$out"'
    refused_for a "$pid"
    assert_equal "$(stat -c %U "$mnt/$pid" "$mnt/$pid/enabled" | paste -sd' ')" "root root"
    assert_equal "$(ls "$mnt" | grep -cx "$pid")" 1
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
}

@test "exec back and forth while the user writes: setuid images stay as they are" {
    cp "$(target demo-ocaml_1)" "$work/bin/setuid-demo"
    chmod 4755 "$work/bin/setuid-demo"
    # In the setuid image, which goes three short rounds, only `boot` is on.
    cat > "$work/loop.sh" << 'END'
while :; do
    "$1/execer" -q -i 5 "$1/setuid-demo" -n 3 -i 2 &
    sleep 0.02
    kill -USR1 $!
    wait
done
END
    target execer > /dev/null
    start_command a sh "$work/loop.sh" "$work/bin"
    cat > "$work/write.sh" << 'END'
while :; do
    for pid in $(pgrep -P "$2"); do echo 1 > "$1/$pid/enabled"; done
done 2> /dev/null
END
    setuid_out=$out
    start_command a sh "$work/write.sh" "$mnt" "$pid"
    # shellcheck disable=SC2016
    wait_until '[ "$(lines_of "^boot: round 2" "$setuid_out")" -ge 60 ]' 20
    assert_equal "$(grep -v -e '^boot' -e '^pid' "$setuid_out" | sort -u)" "" \
        "said by setuid images"
}

# vfork_child [OPTION]...: a's program with a vfork child, which is no target yet. Sets pid, child.
vfork_child() {
    target demo-ocaml_1 > /dev/null
    target vforker > /dev/null
    start_command a "$work/bin/vforker" -t "$@" -i 20 "$work/bin/demo-ocaml_1" -q
    adopt_child
    lists_none "$(ls "$mnt")" "$child"
    assert_no_directory "$child"
    assert_errno ENOENT write "$mnt/$child/gc_start/enabled" 1
}

# The parent, which shares its memory, works as ever: a thread of it goes round.
@test "a vfork child is no target before its exec" {
    vfork_child
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    kill -USR1 "$child"
    wait_until '[ "$(lines_of "^pid")" = 2 ]'
    assert_equal "$(probes_of "$child")" "boot gc_start gc_stop idle request"
    assert_equal "$(state_of "$child" gc_start)" 0 "the child's own"
    echo 1 > "$mnt/$child/gc_stop/enabled"
    assert_equal "$(memory_of "$child" gc_stop)" "1 on"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on" "the parent's"
}

@test "a vfork child of a process whose main thread has ended is no target, either" {
    vfork_child -m
    wait_until "grep -q '^State:.Z' /proc/$pid/status"
    lists_none "$(ls "$mnt")" "$child"
    assert_no_directory "$child" a
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    kill -USR1 "$child"
    wait_until '[ "$(lines_of "^pid")" = 2 ]'
    assert_equal "$(state_of "$child" gc_start)" 0 "the child's own"
    assert_equal "$(state_of "$pid" gc_start)" 1 "the parent's"
}

# As after an upgrade of a library that a daemon uses which has given up its privileges.
@test "a library that was deleted or replaced, of a process that is not dumpable: for root" {
    for how in deleted replaced; do
        cp "$targets/libplug.so" "$work/bin/$how.so"
        start_as a host -u -l -i 20 "$work/bin/$how.so"
        wait_until 'grep -q ^loaded "$out"'
        rm "$work/bin/$how.so"
        [ $how = deleted ] || cp "$targets/libconstruct.so" "$work/bin/$how.so"
        refused_for a "$pid"
        assert_equal "$(ls "$mnt" | grep -cx "$pid")" 1
        assert_equal "$(probes_of "$pid")" "gc_start plug_hit" "$how"
        assert_equal "$(grep -c "$how.so" "$mnt/$pid/error_log")" 0
        echo 1 > "$mnt/$pid/plug_hit/enabled"
        says '^plug plug_hit'
        assert_equal "$(state_of "$pid" plug_hit)" 1
    done
}

# strace sees what the server opens of processes.
@test "the server opens no more of a process for its user's worker than was asked for" {
    start_as a undumpable -q
    strace -f -e trace=openat -o "$work/trace" -p "$server" 2> "$work/strace" 3>&- &
    adopt $!
    wait_until 'grep -q attached "$work/strace"'
    ls "$mnt/$pid/gc_start" > /dev/null
    wait_until 'grep -q "$pid.*maps" "$work/trace"'
    assert_equal "$(grep -c "$pid.*/mem\"" "$work/trace")" 0 "for names"
    assert_equal "$(state_of "$pid" gc_start)" 0
    wait_until 'grep -q "$pid.*mem\", O_RDONLY" "$work/trace"'
    assert_equal "$(grep -c "$pid.*mem\", O_RDWR" "$work/trace")" 0 "for reading"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    wait_until 'grep -q "$pid.*mem\", O_RDWR" "$work/trace"'
}

@test "a vfork child that becomes setuid" {
    cp "$(target demo-ocaml_1)" "$work/bin/setuid-demo"
    chmod 4755 "$work/bin/setuid-demo"
    start_as a vforker -t -i 20 "$work/bin/setuid-demo" -q
    adopt_child
    assert_errno_as a ENOENT open-write "$mnt/$child/gc_start/enabled"
    kill -USR1 "$child"
    wait_until '[ "$(lines_of "^pid")" = 2 ]'
    refused_for a "$child"
}

@test "a process that is not dumpable: for root alone" {
    start_as a undumpable -i 20
    refused_for a "$pid"
    assert_equal "$(stat -c '%U %a' "$mnt/$pid" "$mnt/$pid/enabled" | paste -sd' ')" \
        "root 500 root 600"
    assert_equal "$(ls "$mnt" | grep -cx "$pid")" 1
    assert_equal "$(state_of "$pid" gc_start)" 0
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    assert_equal "$(state_of "$pid" gc_start)" 1
    assert_equal "$(readlink "$mnt/$pid/exe")" "$work/bin/undumpable"
    assert_equal "$(probes_of "$pid")" gc_start
    refused_for a "$pid"
}

@test "a process started by root that gave up its identity (dumpable after exec)" {
    start_as a demo-ocaml_1 -i 20
    assert_equal "$(stat -c %U "$mnt/$pid")" "$(user_name a)"
    shell_as a 'echo 1 > "$mnt/$pid/gc_start/enabled"'
    says '^gc_start'
}

# gid=: the server of this file has none, so these start one of their own.
second_server() {
    mkdir "$work/mnt2"
    start_server_at root "$work/mnt2" "$@"
    mnt=$work/mnt2
}

@test "gid=: members may do what root may, others may not" {
    group=$(id -g "$(user_name b)")
    second_server -o "gid=$group"
    start_as a demo-ocaml_1 -q
    assert_equal "$(stat -c '%a %g' "$mnt/$pid" "$mnt/$pid/enabled" "$mnt/$pid/gc_start/enabled" |
        paste -sd' ')" "550 $group 660 $group 660 $group"
    assert_equal "$(listed_for b | grep -cx "$pid")" 1
    shell_as b 'echo 1 > "$mnt/$pid/gc_start/enabled"'
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    assert_errno_as b OK read "$mnt/$pid/gc_start/enabled"
    start_as a undumpable
    assert_errno_as b OK write "$mnt/$pid/gc_start/enabled" 1
    assert_errno_as a EACCES write "$mnt/$pid/gc_start/enabled" 1
    start demo-ocaml_1 -q
    assert_errno_as b OK write "$mnt/$pid/gc_start/enabled" 1
    refused_for a "$pid"
}

@test "gid=: a supplementary group counts, by name or by number" {
    second_server -o "gid=$(user_name b)"
    start demo-ocaml_1 -q
    member() {
        setpriv --reuid "$(user_name a)" --regid "$(user_name a)" --groups "$(user_name b)" \
            "$work/errno-of" "$@"
    }
    assert_errno_as a EACCES open-write "$mnt/$pid/gc_start/enabled"
    assert_equal "$(member write "$mnt/$pid/gc_start/enabled" 1)" OK
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
}

@test "a caller whose pid the server cannot see (another pid namespace) is refused" {
    start demo-ocaml_1 -q
    mkdir "$work/inner"
    # LeakSanitizer looks for its threads in /proc, which is not of this namespace.
    start_command root env ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" \
        unshare --pid --fork --kill-child "$(server_program)" -f "$work/inner"
    wait_until 'is_mounted "$work/inner"'
    target=$(pgrep -f "^$work/bin/demo-ocaml_1 -q")
    lists_none "$(ls "$work/inner")" '[0-9]*'
    assert_match "$(errno_of open-write "$work/inner/$target/gc_start/enabled")" '@(EACCES|ENOENT)'
    assert_errno ENOENT readlink "$work/inner/self"
    umount "$work/inner"
}

# ---- the worker of a user ----

worker_of_a() {
    start_as a demo-ocaml_1 -i 20
    assert_equal "$(run_as a cat "$mnt/$pid/boot/enabled")" 1
    worker=$(pgrep -u "$(user_name a)" -P "$server")
    assert_match "$worker" '[1-9]*'
    assert_equal "$(wc -w <<< "$worker")" 1 "workers"
}

status_of_worker() {
    sed -n "s/^$1:[[:space:]]*//p" "/proc/$worker/status" | tr -s '\t' ' ' | sed 's/ $//'
}

@test "a worker has its user's identity, and no capability but one that is not in effect" {
    worker_of_a
    uid=$(id -u "$(user_name a)")
    gid=$(id -g "$(user_name a)")
    assert_equal "$(status_of_worker Uid)" "$uid $uid $uid $uid"
    assert_equal "$(status_of_worker Gid)" "$gid $gid $gid $gid"
    assert_equal "$(status_of_worker Groups | tr ' ' '\n' | sort -n | paste -sd' ')" \
        "$(id -G "$(user_name a)" | tr ' ' '\n' | sort -n | paste -sd' ')"
    assert_equal "$(status_of_worker CapEff)" 0000000000000000
    assert_equal "$(status_of_worker CapInh)" 0000000000000000
    assert_equal "$(status_of_worker CapAmb)" 0000000000000000
    assert_equal "$(status_of_worker CapPrm)" 0000010000000000 "CAP_CHECKPOINT_RESTORE"
}

@test "a worker has no /dev/fuse, is not dumpable, and is called probefs-worker" {
    worker_of_a
    ls -l "/proc/$server/fd" | grep -q /dev/fuse
    ls -l "/proc/$worker/fd" > "$work/descriptors"
    grep -q socket: "$work/descriptors"
    assert_equal "$(grep -c /dev/fuse "$work/descriptors" || true)" 0
    assert_equal "$(stat -c %U "/proc/$worker/mem")" root
    assert_errno_as a EACCES open-read "/proc/$worker/mem"
    assert_match "$(tr '\0' ' ' < "/proc/$worker/cmdline")" 'probefs-worker *'
    assert_equal "$(cat "/proc/$worker/comm")" probefs-worker "as ps shows it"
}

@test "there is one worker for each user" {
    start demo-ocaml_1 -q
    ls "$mnt" > /dev/null
    a_and_b
    start_as a demo-ocaml_1 -q
    for _ in 1 2 3; do
        ls "$mnt" > /dev/null
        run_as a cat "$mnt/$a/enabled" "$mnt/$pid/enabled" > /dev/null
        run_as b cat "$mnt/$b/enabled" > /dev/null
    done
    assert_equal "$(pgrep -u "$(user_name a)" -P "$server" | wc -l)" 1
    assert_equal "$(pgrep -u "$(user_name b)" -P "$server" | wc -l)" 1
}

@test "a killed worker costs nothing but what was under way" {
    worker_of_a
    for _ in 1 2 3; do
        kill -KILL "$worker"
        wait_until "! is_running $worker"
        assert_equal "$(run_as a cat "$mnt/$pid/boot/enabled")" 1
        shell_as a 'echo 1 > "$mnt/$pid/gc_start/enabled"'
        assert_equal "$(state_of "$pid" gc_start)" 1
        shell_as a 'echo 0 > "$mnt/$pid/gc_start/enabled"'
        worker=$(pgrep -u "$(user_name a)" -P "$server")
    done
}

@test "a user who kills the worker of that user again and again gets no more than errors" {
    worker_of_a
    start_command a sh -c "while :; do pkill -KILL -P $server -u $(user_name a); done"
    for _ in {1..20}; do
        # It may fail, as the worker may be killed at any moment; but it must come back.
        status=0
        run_as a timeout "$(patient 5)" cat "$mnt/$(head -n1 "$work/out"/1-* | sed 's/pid //')/boot/enabled" \
            > "$work/read" 2>&1 || status=$?
        [ $status != 124 ]
        timeout "$(patient 5)" ls "$mnt" > /dev/null
    done
    start demo-ocaml_1 -q
    assert_equal "$(state_of "$pid" gc_start)" 0
}

@test "a worker that is stopped is given up after a second, and the next works" {
    worker_of_a
    pause_process "$worker"
    assert_errno_as a ETIMEDOUT open-read "$mnt/$pid/boot/enabled"
    assert_equal "$(run_as a cat "$mnt/$pid/boot/enabled")" 1
    wait_until "! is_running $worker"
}

# open_as UID GID NAME: what an open of $mnt/$pid/NAME for writing gives.
open_as() {
    setpriv --reuid "$1" --regid "$2" --clear-groups \
        "$work/errno-of" open-write "$mnt/$pid/$3"
}

@test "a process of another group than its user's: that group's callers may, as the kernel has it" {
    local uid gid other
    uid=$(id -u "$(user_name a)")
    gid=$(id -g "$(user_name a)")
    other=$(id -g "$(user_name b)")
    start_command root setpriv --reuid "$uid" --regid "$other" --clear-groups \
        "$(target demo-ocaml_1)" -q
    wait_until 'grep -q ^pid "$out"'
    listing=$(setpriv --reuid "$uid" --regid "$other" --clear-groups ls "$mnt")
    grep -qx "$pid" <<< "$listing"
    assert_equal "$(open_as "$uid" "$other" gc_start/enabled)" OK
    lists_none "$(listed_for a)" "$pid"
    assert_equal "$(open_as "$uid" "$gid" gc_start/enabled)" EACCES
    # A worker of the process's group for all: also root's requests reach it.
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    worker=$(pgrep -u "$uid" -G "$other" -P "$server")
    assert_equal "$(status_of_worker Gid)" "$other $other $other $other"
}

@test "a user who is not in the user database works, without groups" {
    start_command root setpriv --reuid 54321 --regid 54321 --clear-groups \
        "$(target demo-ocaml_1)" -q
    wait_until 'grep -q ^pid "$out"'
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    assert_equal "$(setpriv --reuid 54321 --regid 54321 --clear-groups \
        "$work/errno-of" write "$mnt/$pid/gc_start/enabled" 0)" OK
    worker=$(pgrep -u 54321 -P "$server")
    assert_equal "$(status_of_worker Groups)" ""
}
