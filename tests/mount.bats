#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mount(8) and fstab(5), by way of mount.probefs.

load lib/session
load lib/installed

setup() {
    session_begin
    namespace_begin
    fstab=$work/fstab
    start demo-ocaml_1 -q
}

teardown() {
    namespace_end
    session_end
}

# mounts STATUS MOUNT-ARGUMENT...: mount(8) ends so. Sets: output.
mounts() {
    local expected=$1
    shift
    run inside mount "$@"
    assert_equal "$status" "$expected" "exit status of mount $*: $output"
}

mount_count() {
    inside findmnt -rn -t fuse.probefs -o TARGET | grep -cx "$mnt" || true
}

# works: it is mounted once, and switches the target's probe.
works() {
    assert_equal "$(mount_count)" 1 "mounts"
    for value in 1 0; do
        inside sh -c "echo $value > '$mnt/$pid/gc_start/enabled'"
        assert_equal "$(inside cat "$mnt/$pid/gc_start/enabled")" $value
    done
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

mount_refuses() {
    local expected=$1 text=$2
    shift 2
    mounts "$expected" "$@"
    assert_match "$output" "*$text*"
    assert_equal "$(mount_count)" 0 "mounts"
}

@test "mount -t probefs, and umount" {
    mounts 0 -t probefs probefs "$mnt"
    assert_equal "$output" ""
    works
    assert_equal "$(inside findmnt -n -o SOURCE,FSTYPE -M "$mnt" | tr -s ' ')" \
        "probefs fuse.probefs"
    server=$(server_at "$mnt")
    inside umount "$mnt"
    wait_until '! is_running "$server"'
    assert_equal "$(mount_count)" 0
}

@test "a source that is the name of a file at hand stays the word that it is" {
    echo "probefs $mnt probefs defaults 0 0" >"$fstab"
    mkdir -p "$work/here/probefs"
    run -0 inside sh -c "cd '$work/here' && mount -t probefs probefs '$mnt'"
    works
    assert_equal "$(inside findmnt -n -o SOURCE -M "$mnt")" probefs
    # From elsewhere, it is known to be mounted.
    run -0 inside sh -c "cd / && mount -a -v -T '$fstab'"
    assert_match "$output" "*already mounted*"
    assert_equal "$(mount_count)" 1 "mounts"
}

@test "mount -t probefs -o engine=ptrace,gid=GROUP: the server has these options" {
    mounts 0 -t probefs probefs "$mnt" -o "engine=ptrace,gid=$(user_name b),log=info"
    works
    assert_equal "$(inside stat -c '%a %G' "$mnt/$pid")" "550 $(user_name b)"
    assert_equal "$(tr '\0' ' ' < "/proc/$(server_at "$mnt")/cmdline")" \
        "probefs probefs $mnt -o rw,engine=ptrace,gid=$(id -g "$(user_name b)"),log=info "
}

@test "mount -t fuse.probefs" {
    mounts 0 -t fuse.probefs probefs "$mnt" -o "gid=$(user_name b)"
    works
    assert_equal "$(inside stat -c '%a %G' "$mnt/$pid")" "550 $(user_name b)"
    assert_match ",$(inside findmnt -n -o OPTIONS -M "$mnt")," '*,nosuid,nodev,*'
}

@test "mount -o ro: everything is read, nothing is written" {
    mounts 0 -t probefs probefs "$mnt" -o ro
    assert_equal "$(inside cat "$mnt/$pid/gc_start/enabled")" 0
    assert_equal "$(inside "$work/errno-of" write "$mnt/$pid/gc_start/enabled" 1)" EROFS
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

@test "fstab: mount DIRECTORY" {
    echo "probefs $mnt probefs noauto,engine=vm 0 0" > "$fstab"
    mounts 0 -T "$fstab" -a
    assert_equal "$(mount_count)" 0 "mounts with noauto"
    mounts 0 -T "$fstab" "$mnt"
    works
}

@test "fstab: mount -a, twice, whatever the source is called" {
    for source in probefs none 'probes,of,this'; do
        echo "$source $mnt probefs defaults,nofail,_netdev,x-systemd.automount 0 0" > "$fstab"
        for _ in 1 2; do
            mounts 0 -T "$fstab" -a
            works
        done
        assert_equal "$(inside findmnt -n -o SOURCE -M "$mnt")" "$source"
        inside umount "$mnt"
    done
}

@test "fstab: fuse.probefs" {
    echo "probefs $mnt fuse.probefs defaults,nofail,engine=ptrace 0 0" > "$fstab"
    for _ in 1 2; do
        mounts 0 -T "$fstab" -a
        works
    done
}

@test "fstab: user: an ordinary user's own mount" {
    mknod -m 666 "$work/fuse" c 10 229
    inside mount --bind "$work/fuse" /dev/fuse
    echo "probefs $mnt probefs user,noauto 0 0" > "$fstab"
    inside mount --bind "$fstab" /etc/fstab
    chown "$(user_name a)" "$mnt"
    roots=$pid
    start_as a demo-ocaml_1 -q
    as a
    inside "${as[@]}" mount "$mnt"
    assert_equal "$(stat -c %U "/proc/$(server_at "$mnt")")" "$(user_name a)"
    assert_match ",$(inside findmnt -n -o OPTIONS -M "$mnt")," "*,user_id=$(id -u "$(user_name a)"),*"
    assert_equal "$(inside "${as[@]}" ls "$mnt" | grep -cx -e "$pid" -e "$roots")" 1
    inside "${as[@]}" sh -c "echo 1 > '$mnt/$pid/gc_start/enabled'"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    inside "${as[@]}" fusermount3 -u "$mnt"
}

@test "generic options are tolerated" {
    mounts 0 -t probefs probefs "$mnt" \
        -o noauto,user,nouser,users,owner,group,nofail,_netdev,dev,suid,exec,comment=x,x-y=z,X-w
    works
    assert_match ",$(inside findmnt -n -o OPTIONS -M "$mnt")," '*,nosuid,nodev,*'
    inside umount "$mnt"
    mounts 0 -t probefs probefs "$mnt" -o defaults,relatime,noatime,strictatime,lazytime,silent,sync
    works
    inside umount "$mnt"
    mounts 0 -t fuse.probefs probefs "$mnt" -o noauto,user,nofail,_netdev,dev,suid,x-y=z,noatime
    works
}

@test "an unknown option is refused, with its name" {
    mount_refuses 32 'unknown option*nonsense' -t probefs probefs "$mnt" -o nonsense
    mount_refuses 32 'unknown option*nonsense=7' -t probefs probefs "$mnt" -o rw,nonsense=7,noatime
    mount_refuses 32 "unknown engine 'steam'" -t probefs probefs "$mnt" -o engine=steam
    mount_refuses 32 "unknown group 'nobodys'" -t probefs probefs "$mnt" -o gid=nobodys
    run inside mount -t fuse.probefs probefs "$mnt" -o nonsense
    [ "$status" != 0 ]
    assert_match "$output" '*unknown option*nonsense*'
    assert_equal "$(mount_count)" 0 "mounts"
}

@test "-s: an unknown option is left out, a wrong value is not" {
    mounts 0 -s -t probefs probefs "$mnt" -o "nonsense,gid=$(user_name b),more=7"
    assert_equal "$(inside stat -c '%a %G' "$mnt/$pid")" "550 $(user_name b)"
    works
    inside umount "$mnt"
    mount_refuses 32 "unknown engine 'steam'" -s -t probefs probefs "$mnt" -o engine=steam
}

@test "remount is refused, with what to do; the mount stays as it is" {
    mounts 0 -t probefs probefs "$mnt"
    server=$(server_at "$mnt")
    mounts 32 -t probefs probefs "$mnt" -o remount,engine=ptrace
    assert_match "$output" "*cannot be changed*unmount*"
    run inside mount -o remount,ro "$mnt"
    [ "$status" != 0 ]
    assert_match "$output" "*cannot be changed*unmount*"
    assert_equal "$(server_at "$mnt")" "$server"
    works
}

@test "-f: nothing is mounted; -n and -v" {
    mounts 0 -f -t probefs probefs "$mnt"
    assert_equal "$(mount_count)" 0
    mounts 0 -fv -t probefs probefs "$mnt" -o engine=ptrace
    assert_match "$output" "*probefs probefs $mnt -o rw,engine=ptrace*"
    assert_equal "$(mount_count)" 0
    mounts 0 -n -v -t probefs probefs "$mnt"
    assert_match "$output" "*probefs probefs $mnt -o rw*"
    works
}

@test "exit statuses of mount(8), with messages" {
    helper=$(installed_file mount.probefs)
    run -1 inside "$helper"
    assert_match "$output" '*a source and a mountpoint*'
    run -1 inside "$helper" probefs
    run -1 inside "$helper" probefs "$mnt" more
    run -1 inside "$helper" -x probefs "$mnt"
    run -1 inside "$helper" -N /proc/1/ns/mnt probefs "$mnt"
    assert_match "$output" '*nsenter*'
    for fake in '' -f; do
        run -32 inside "$helper" $fake probefs "$work/nothing"
        assert_match "$output" "*cannot mount at '$work/nothing': No such file*"
        run -32 inside "$helper" $fake probefs "$fstab"
        assert_match "$output" "*$fstab*"
    done
    run -0 inside "$helper" -h
    assert_match "$output" 'usage: *'
    run -0 inside "$helper" -V
    assert_match "$output" 'mount.probefs [0-9]*'
    mounts 0 -t probefs probefs "$mnt"
    mounts 32 -t probefs probefs "$mnt"
    assert_match "$output" "*'$mnt' is a probefs mount already*"
    works
}

@test "a server that is not there, or is killed at its start: a message, and 2 or 32" {
    helper=$(installed_file mount.probefs)
    program=${program_directories[$(dirname "$(installed_file probefs)")]}/probefs
    printf '#!/bin/sh\nkill -KILL $$\n' > "$program" && chmod 755 "$program"
    run -32 inside "$helper" probefs "$mnt"
    assert_match "$output" '*signal killed probefs: Killed*'
    rm "$program"
    run -2 inside env PATH=/bin "$helper" probefs "$mnt"
    assert_match "$output" '*cannot start*probefs*No such file*'
}

@test "the dead mount of a killed server is cleared by the next mount" {
    mounts 0 -t probefs probefs "$mnt"
    server=$(server_at "$mnt")
    kill -KILL "$server"
    wait_until '! is_running "$server"'
    wait_until '[ "$(inside "$work/errno-of" stat "$mnt")" = ENOTCONN ]'
    mounts 0 -f -t probefs probefs "$mnt"
    mounts 0 -t probefs probefs "$mnt"
    works
}

# The server is a script here, which says what it finds, and waits.
@test "mount.probefs is not setuid, keeps no capability, and hands down no descriptor" {
    helper=$(installed_file mount.probefs)
    assert_equal "$(stat -c %a "$installed/root$helper")" 755
    assert_equal "$(getcap "$installed/root$helper")" ""
    program=${program_directories[$(dirname "$(installed_file probefs)")]}/probefs
    mkfifo "$work/go"
    printf '#!/bin/sh\nls /proc/$$/fd > "%s"\necho ready $PPID\ntimeout 20 cat "%s"\n' \
        "$work/descriptors" "$work/go" > "$program"
    chmod 755 "$program"
    exec 8< /dev/null 9< /dev/null
    start_command root nsenter --mount --target "$namespace" "$helper" probefs "$mnt"
    exec 8<&- 9<&-
    wait_until 'grep -q ^ready "$out"'
    # 10 is the shell's own, for the script.
    assert_equal "$(cat "$out")" "ready $pid"
    # From 10 on they are the shell's own.
    assert_equal "$(awk '$1 < 10' "$work/descriptors" | sort | paste -sd' ')" "0 1 2"
    wait_until 'grep -q "^CapPrm:.0000000000000000" "/proc/$pid/status"'
    assert_equal "$(grep '^Cap[^B]' "/proc/$pid/status" | cut -f2 | sort -u)" \
        0000000000000000
    echo > "$work/go"
    wait "$pid"
}
