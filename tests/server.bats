#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The server as a program: how it starts, what it refuses, how it ends.

load lib/session-with-users

setup() {
    session_begin
    probefs=$(server_program)
}

# In the background, as users start it. Ends with the unmount.
start_daemon() {
    "$probefs" "$@" 3>&-
    server=$(pgrep -f "^$probefs .*$mnt\$")
}

start_refused() {
    run "$@" 3>&-
    assert_equal "$status" 1 "exit status of $*"
    [ "$output" ] || { echo "no message of $*"; return 1; }
    assert_equal "$(findmnt -rn -t fuse.probefs -o TARGET | grep -c "^$work" || true)" 0 "mounts"
}

@test "a kernel that is too old: refused at the start, which says so" {
    run setarch "$(uname -m)" --uname-2.6 "$(server_program)" "$mnt"
    assert_equal "$status" 1
    assert_match "$output" "probefs: Linux 5.10 or later is needed, and this is 2.6.*"
    run ! is_mounted "$mnt"
}

@test "it returns when the mount answers" {
    start demo-ocaml_1 -q
    for _ in 1 2 3 4 5; do
        start_daemon "$mnt"
        assert_equal "$(state_of "$pid" boot)" 1
        umount "$mnt"
        wait_until "! is_running $server"
    done
}

@test "the background server lets go of the terminal and the working directory" {
    mkdir "$work/elsewhere"
    cd "$work/elsewhere"
    run -0 "$probefs" "$mnt" 3>&-
    assert_equal "$output" ""
    server=$(pgrep -f "^$probefs $mnt\$")
    assert_equal "$(readlink "/proc/$server/cwd")" /
    assert_equal "$(readlink "/proc/$server/fd/0" "/proc/$server/fd/1" "/proc/$server/fd/2" |
        sort -u)" /dev/null
    umount "$mnt"
    wait_until "! is_running $server"
}

@test "a relative mountpoint" {
    cd "$work"
    "$probefs" mnt 3>&-
    [ -e "$mnt/README" ]
    umount "$mnt"
}

@test "a mountpoint that does not exist, or is missing" {
    start_refused "$probefs" "$work/nothing"
    assert_match "$output" "*$work/nothing*No such file or directory*"
    start_refused "$probefs"
    assert_match "$output" '*mountpoint*'
    start_refused "$probefs" -f "$work/nothing"
}

@test "a mountpoint that is no directory" {
    touch "$work/file"
    start_refused timeout "$(patient 5)" "$probefs" "$work/file"
    assert_match "$output" "*$work/file*"
}

@test "a mountpoint that is a probefs mount already" {
    start_server
    run "$probefs" "$mnt" 3>&-
    assert_equal "$status" 1 "exit status"
    assert_match "$output" "*$mnt*"
    assert_equal "$(findmnt -rn -M "$mnt" | sort -u | wc -l)" 1 "mounts"
    [ -e "$mnt/README" ]
}

@test "wrong options are refused, with their name" {
    start_refused "$probefs" -o nonsense=1 "$mnt"
    assert_match "$output" '*nonsense*'
    start_refused "$probefs" --nonsense "$mnt"
    assert_match "$output" '*nonsense*'
    start_refused "$probefs" -o engine=steam "$mnt"
    assert_match "$output" '*steam*'
    start_refused "$probefs" -o log=loud "$mnt"
    assert_match "$output" '*loud*'
    start_refused "$probefs" -o gid=no-such-group "$mnt"
    assert_match "$output" '*no-such-group*'
    for limit in user_files=0 user_files=x user_memory= user_memory=-1 user_requests=257; do
        start_refused "$probefs" -o "$limit" "$mnt"
        assert_match "$output" "*$limit*give a number*"
    done
    start_refused "$probefs" a b "$mnt"
}

@test "--help and --version need no mountpoint" {
    run -0 "$probefs" --help
    assert_match "$output" '*MOUNTPOINT*'
    run -0 "$probefs" -V
    assert_match "$output" 'probefs [0-9]*'
}

@test "SOURCE MOUNTPOINT -o OPTIONS, as mount(8) calls it" {
    start demo-ocaml_1 -q
    "$probefs" probefs "$mnt" -o rw,noatime,engine=vm,log=warning 3>&-
    assert_equal "$(state_of "$pid" boot)" 1
    assert_equal "$(findmnt -n -o SOURCE,FSTYPE -M "$mnt" | tr -s ' ' | sort -u)" \
        "probefs fuse.probefs"
    umount "$mnt"
}

@test "FUSE's own options: fsname names the source where there is none, max_read bounds reads" {
    "$probefs" -o fsname=elsewhere,max_read=4096 "$mnt" 3>&-
    assert_equal "$(findmnt -n -o SOURCE,FSTYPE -M "$mnt" | tr -s ' ' | sort -u)" \
        "elsewhere fuse.probefs"
    assert_match ",$(findmnt -n -o OPTIONS -M "$mnt" | sort -u)," '*,max_read=4096,*'
    grep -q "^See" "$mnt/README"
    umount "$mnt"
    "$probefs" source "$mnt" -o fsname=elsewhere 3>&-
    assert_equal "$(findmnt -n -o SOURCE -M "$mnt" | sort -u)" source
    umount "$mnt"
    start_refused "$probefs" -o max_read=some "$mnt"
}

@test "mount(8) by way of mount.fuse3" {
    [ -x /sbin/mount.fuse3 ] || skip "needs mount.fuse3"
    mount -t fuse "$probefs#probefs" "$mnt" -o log=error 3>&-
    [ -e "$mnt/README" ]
    umount "$mnt"
}

@test "the mount has default_permissions and allow_other, and neither setuid nor devices" {
    start_server
    options=$(findmnt -n -o OPTIONS -M "$mnt" | sort -u)
    for option in default_permissions allow_other nosuid nodev; do
        assert_match ",$options," "*,$option,*"
    done
}

@test "the corpse of a killed server: cleared by the next one" {
    start demo-ocaml_1 -q
    for _ in 1 2; do
        start_server
        # The kernel knows the root's attributes now, and for a second of the corpse's, too.
        assert_errno OK stat "$mnt"
        kill_server "$server"
        start_daemon "$mnt"
        assert_equal "$(state_of "$pid" boot)" 1
        assert_equal "$(findmnt -rn -M "$mnt" | sort -u | wc -l)" 1 "mounts"
        umount "$mnt"
        wait_until "! is_running $server"
    done
}

@test "kill -9 of the server ends the workers" {
    start_server
    start_as a demo-ocaml_1 -q
    cat "$mnt/$pid/enabled"
    workers=$(pgrep -P "$server")
    [ "$workers" ]
    kill_server "$server"
    for each in $workers; do
        wait_until "! is_running $each" 3
    done
}

@test "umount ends the server and the workers" {
    start_server
    start_as a demo-ocaml_1 -q
    cat "$mnt/$pid/enabled"
    workers=$(pgrep -P "$server")
    [ "$workers" ]
    stop_server "$server" "$mnt"
    for each in $workers; do
        wait_until "! is_running $each" 3
    done
}

@test "it refuses to run with more rights than its caller's: setuid, setgid, capabilities" {
    local program=$work/bin/privileged
    cp "$(server_program)" "$program"
    for mode in 4755 2755; do
        chmod "$mode" "$program"
        run -1 run_as a "$program" -f "$work"
        assert_match "$output" "probefs: it must not be setuid*"
    done
    chmod 755 "$program"
    setcap cap_sys_ptrace+ep "$program"
    run -1 run_as a "$program" -f "$work"
    assert_match "$output" "probefs: it must not be setuid*"
}

@test "SIGTERM and SIGINT unmount" {
    for signal in TERM INT; do
        start_daemon "$mnt"
        kill -$signal "$server"
        wait_until "! is_running $server"
        assert_equal "$(findmnt -rn -M "$mnt" | wc -l)" 0 "mounts after SIG$signal"
    done
}

# Idle threads sleep, one may be serving, one receiving: all have to hear of the end, at any moment.
@test "SIGTERM among many requests: the server ends at once, with success" {
    local round readers
    start many-1000
    for round in {1..12}; do
        start_server
        readers=()
        for _ in 1 2 3 4; do
            # Slow ones, for which other threads are called, and quick ones.
            while cat "$mnt/$pid/info" "$mnt/$pid"/probe_0000*/enabled; do :; done \
                >/dev/null 2>&1 3>&- &
            readers+=($!)
        done
        wait_until "(( \$(ls /proc/$server/task | wc -l) > 6 ))"
        kill -TERM "$server"
        wait_until "! is_running $server" 3
        wait "$server"
        wait "${readers[@]}" || true
    done
}

@test "two servers at once show and switch the same" {
    start_server
    mkdir "$work/mnt2"
    start_server_at root "$work/mnt2"
    start demo-ocaml_1 -q
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(< "$work/mnt2/$pid/gc_start/enabled")" 1
    for file in "$mnt/$pid/enabled" "$work/mnt2/$pid/enabled"; do
        (for _ in {1..200}; do echo 1 > "$file"; echo 0 > "$file"; done) 3>&- &
        writers+=($!)
    done
    wait "${writers[@]}"
    assert_match "$(< "$mnt/$pid/enabled")" '[01]'
    assert_match "$(memory_of_all "$pid")" '@(0 off|1 on)'
}

@test "stopping and starting a server loses nothing" {
    start_server
    start demo-ocaml_1 -q
    echo 1 > "$mnt/$pid/gc_stop/enabled"
    stop_server "$server" "$mnt"
    assert_equal "$(memory_of "$pid" gc_stop)" "1 on"
    start_server
    assert_equal "$(state_of "$pid" gc_stop)" 1
}

@test "no descriptor of the server's is inherited by others, none is lost" {
    start_server
    start demo-ocaml_1 -q
    first=$pid
    start_as a demo-ocaml_1 -q
    one_round() {
        ls "$mnt" > /dev/null
        cat "$mnt/$first/enabled" "$mnt/$pid/enabled" > /dev/null
        ls "$mnt/$first" "$mnt/$pid" > /dev/null
    }
    # But for those of other suites' processes, which come and go, and are kept in mind for a while.
    count_descriptors() {
        local each count=0 ours="Pid:\t($first|$pid)\$"
        for each in "/proc/$server/fd"/*; do
            [ "$(readlink "$each")" = "anon_inode:[pidfd]" ] &&
                ! grep -qP "$ours" "${each/fd/fdinfo}" || count=$((count + 1))
        done
        echo $count
    }
    one_round
    before=$(count_descriptors)
    for _ in {1..100}; do one_round; done
    after=$(count_descriptors)
    # What is lost once a round makes 100; workers for users of other suites come and go meanwhile.
    [ "$after" -le $((before + 50)) ] || { echo "descriptors: $before, then $after"; false; }
}

# A namespace where /dev/fuse is open to all, as on machines that udev sets up; it has its own
# mounts, seen through /proc/PID/root.
@test "an ordinary user's own mount: that user's processes, and no allow_other" {
    mknod "$work/fuse" c 10 229
    chmod 666 "$work/fuse"
    mkdir "$work/own"
    chown "$(user_name a)" "$work/own"
    start demo-ocaml_1 -q
    roots=$pid
    start_as b demo-ocaml_1 -q
    bs=$pid
    start_as a demo-ocaml_1 -q
    as a
    cat > "$work/own.sh" << 'END'
umount -l -a -t fuse.probefs
mount --bind "$1/fuse" /dev/fuse
shift
exec "$@"
END
    start_command root unshare --mount --propagation private bash "$work/own.sh" "$work" \
        "${as[@]}" "$probefs" -f "$work/own"
    server=$pid
    pid=$(sed -n 's/^pid //p' "$work/out/3-demo-ocaml_1")
    own=$work/own
    in_server_namespaces() {
        nsenter --target "$server" --mount "$@"
    }
    wait_until 'in_server_namespaces findmnt -n -t fuse.probefs -M "$own" > /dev/null'
    assert_equal "$(in_server_namespaces "${as[@]}" ls "$own" | grep -cx "$pid")" 1
    assert_equal "$(in_server_namespaces "${as[@]}" ls "$own" | grep -cx -e "$roots" -e "$bs" || true)" 0
    in_server_namespaces "${as[@]}" sh -c "echo 1 > '$own/$pid/gc_start/enabled'"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    assert_equal "$(in_server_namespaces "${as[@]}" "$work/errno-of" write \
        "$own/$bs/enabled" 1)" ENOENT
    assert_equal "$(in_server_namespaces "${as[@]}" "$work/errno-of" write \
        "$own/$roots/enabled" 1)" ENOENT
    as b
    assert_equal "$(in_server_namespaces "${as[@]}" "$work/errno-of" list "$own")" EACCES
    as a
    in_server_namespaces "${as[@]}" fusermount3 -u "$own"
    wait_until "! is_running $server"
}
