#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Containers are namespaces: of users, of pids, of mounts; around the processes that are looked at,
# around whoever looks, and around the server.

load lib/session-with-users
load lib/authority

teardown() {
    if [ "${share:-}" ] && findmnt -n -M "$share" >/dev/null; then
        umount -R -l "$share"
    fi
    session_end
}

# host_pid PATTERN: our number for the one process with that command line; it ends with the test.
host_pid() {
    wait_until "pid=\$(pgrep -f '$1')"
    adopt "$pid"
    wait_until "[ \$(readlink /proc/$pid/exe | grep -c -e demo -e inner) = 1 ]"
}

# start_in_root_namespace USER PROGRAM ARGUMENT...: a process of USER in a user namespace that root
# has made, with all users.
start_in_root_namespace() {
    local name
    name=$(user_name "$1")
    mkfifo "$work/mapped"
    start_command root unshare --user sh -c 'read -r _ < "$1"; shift; exec "$@"' sh "$work/mapped" \
        setpriv --reuid "$(id -u "$name")" --regid "$(id -g "$name")" --clear-groups "${@:2}"
    wait_until '[ "$(readlink /proc/$pid/ns/user)" != "$(readlink /proc/self/ns/user)" ]'
    echo 0 0 4294967295 > "/proc/$pid/uid_map"
    echo 0 0 4294967295 > "/proc/$pid/gid_map"
    echo > "$work/mapped"
    wait_until 'grep -q ^pid "$out"'
}

# ---- user namespaces ----

@test "a process in a user namespace that root made: refused for its user, not for root" {
    start_server
    start_in_root_namespace a "$(target demo-ocaml_1)" -i 20
    assert_equal "$(stat -c %U "/proc/$pid" "$mnt/$pid" | sort -u)" "$(user_name a)"
    refused_for a "$pid"
    assert_match "$(grep -m 1 'EACCES' "$mnt/$pid/error_log")" \
        "*user $(id -u "$(user_name a)") *process $pid *another user namespace*"
    assert_equal "$(ls "$mnt" | grep -cx "$pid")" 1
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    assert_equal "$(state_of "$pid" gc_start)" 1
}

@test "a user's own rootless container: allowed for that user and root, and for no other" {
    start_server
    # Without mounts of its own: it could not forget those of other tests.
    start_command a unshare --user --map-root-user --pid --fork --kill-child \
        "$(target demo-ocaml_1)" -i 20 -n 100000
    host_pid "^$work/bin/demo-ocaml_1 -i 20 -n 100000"
    assert_equal "$(listed_for a | grep -cx "$pid")" 1
    shell_as a 'echo 1 > "$mnt/$pid/gc_start/enabled"'
    says '^gc_start'
    assert_equal "$(run_as a cat "$mnt/$pid/gc_start/enabled")" 1
    assert_equal "$(run_as a readlink "$mnt/$pid/exe")" "$work/bin/demo-ocaml_1"
    refused_for b "$pid"
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

@test "callers in a rootless container are who they are outside" {
    start_server
    a_and_b
    mapped_to_root() {
        run_as a unshare --user --map-root-user "$@"
    }
    assert_equal "$(mapped_to_root id -u)" 0
    assert_equal "$(mapped_to_root "$work/errno-of" write "$mnt/$a/gc_start/enabled" 1)" OK
    assert_equal "$(memory_of "$a" gc_start)" "1 on"
    assert_equal "$(mapped_to_root ls "$mnt" | grep -cx "$a")" 1
    lists_none "$(mapped_to_root ls "$mnt")" "$b"
    for action in open-read open-write; do
        assert_equal "$(mapped_to_root "$work/errno-of" $action "$mnt/$b/gc_start/enabled")" \
            EACCES
    done
}

@test "root of a container is not the machine's root, whatever it may do in there" {
    start_server
    a_and_b
    in_user_namespace() {
        unshare --user --map-root-user "$@"
    }
    # It has the capability, in there.
    [ $((0x$(in_user_namespace grep ^CapEff /proc/self/status | cut -f2) >> 19 & 1)) = 1 ]
    lists_none "$(in_user_namespace ls "$mnt")" "$a" "$b"
    for file in gc_start/enabled enabled; do
        for action in open-read open-write; do
            assert_equal "$(in_user_namespace "$work/errno-of" $action "$mnt/$a/$file")" EACCES
        done
    done
    assert_equal "$(memory_of "$a" gc_start)" "0 off"
}

# ---- pid and mount namespaces ----

# start_contained USER: a program that is seen in its own mount namespace alone, with a pid of its
# own pid namespace. Sets: pid (ours), inner (its own), out.
start_contained() {
    mkdir -p "$work/private"
    cp "$(target demo-ocaml_1)" "$work/bin/original"
    local as
    as "$1"
    start_command root unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
        sh -c "$forget_mounts; "'mount -t tmpfs tmpfs "$1" && cp "$2" "$1/inner" && chmod 755 "$1" && shift 2 &&
            exec "$@"' sh "$work/private" "$work/bin/original" \
        "${as[@]}" "$work/private/inner" -i 20
    host_pid "^$work/private/inner -i 20"
    wait_until 'grep -q ^pid "$out"'
    inner=$(sed -n 's/^pid //p' "$out")
    [ ! -e "$work/private/inner" ]
}

@test "the host's server shows a container's process under the host's pid, and reads its files" {
    start_server
    for user in root a; do
        start_contained $user
        assert_equal "$inner" 1
        assert_equal "$(ls "$mnt" | grep -cx "$pid")" 1
        assert_equal "$(probes_of "$pid")" "boot gc_start gc_stop idle request"
        assert_equal "$(readlink "$mnt/$pid/exe")" "$work/private/inner"
        assert_match "$(cat "$mnt/$pid/gc_start/sites")" "0x* 0 $work/private/inner+*"
        echo 1 > "$mnt/$pid/gc_start/enabled"
        says '^gc_start'
        assert_equal "$(run_as $user cat "$mnt/$pid/gc_start/enabled")" 1
        refused_for_others
        stop "$pid"
    done
}

# b may not; peek has no file to read, so this is about the answers.
refused_for_others() {
    lists_none "$(listed_for b)" "$pid"
    assert_errno_as b EACCES open-read "$mnt/$pid/gc_start/enabled"
    assert_errno_as b EACCES open-write "$mnt/$pid/gc_start/enabled"
}

# in_server_namespaces COMMAND...: in all namespaces of the server; its mount is seen there alone.
in_server_namespaces() {
    nsenter --all --target "$server" "$@"
}

@test "a server in a pid namespace shows that namespace's processes, and serves who is in it" {
    start demo-ocaml_1 -q
    outer=$pid
    start_command root unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
        sh -c "$forget_mounts; "'exec "$@"' sh "$(server_program)" -f -o log=info "$mnt"
    log=$out
    wait_until 'server=$(pgrep -P "$pid" -x probefs)'
    adopt "$server"
    wait_until 'in_server_namespaces findmnt -n -t fuse.probefs -M "$mnt" > /dev/null'
    as a
    nsenter --all --target "$server" "${as[@]}" "$work/bin/demo-ocaml_1" -i 20 > "$work/out/inner" \
        2>&1 < /dev/null 3>&- &
    wait_until 'grep -q ^pid "$work/out/inner"'
    inner=$(sed -n 's/^pid //p' "$work/out/inner")
    assert_equal "$(in_server_namespaces ls "$mnt" | grep '^[0-9]' | paste -sd' ')" "$inner"
    in_server_namespaces sh -c "echo 1 > '$mnt/$inner/gc_start/enabled'"
    says '^gc_start' "$work/out/inner"
    in_server_namespaces "${as[@]}" sh -c "echo 0 > '$mnt/$inner/gc_start/enabled'"
    assert_equal "$(in_server_namespaces "${as[@]}" cat "$mnt/$inner/gc_start/enabled")" 0
    assert_equal "$(in_server_namespaces sh -c "readlink '$mnt/self'; echo \$\$" | sort -u | wc -l)" 2
    # Who sees the mount from outside has no pid in there.
    outside() {
        nsenter --mount --target "$server" "$@"
    }
    lists_none "$(outside ls "$mnt")" "$inner" "$outer"
    assert_equal "$(outside "$work/errno-of" open-read "$mnt/$inner/enabled")" EACCES
    assert_equal "$(outside "$work/errno-of" readlink "$mnt/self")" ENOENT
    # The namespace ends with its first process, and its mount with it.
    kill -TERM "$server"
    wait_until '! is_running "$server"'
}

# As doc/kubernetes/probefs.yaml has it: the host's pids, and a directory that is shared both ways.
@test "a server in a container with the host's pids, whose mount is propagated" {
    share=$work/share
    mkdir "$share"
    mount --bind "$share" "$share"
    mount --make-shared "$share"
    mkdir "$share/probes"
    start demo-ocaml_1 -q
    # All but that directory is private in there.
    start_command root unshare --mount --uts --ipc --propagation unchanged sh -c '
        findmnt -rn -o TARGET | grep -vx "$1" | while read -r at; do
            mount --make-private "$at" 2> /dev/null
        done
        umount -l -a -t fuse.probefs
        shift
        exec "$@"' sh "$share" "$(server_program)" -f "$share/probes"
    server=$pid
    wait_until 'is_mounted "$share/probes"'
    mnt=$share/probes
    pid=$(pgrep -f "^$work/bin/demo-ocaml_1 -q")
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    start_as a demo-ocaml_1 -i 20
    assert_equal "$(run_as a cat "$mnt/$pid/gc_start/enabled")" 0
    # Another container, which gets what is mounted on the host.
    unshare --mount --propagation slave sh -c "echo 1 > '$mnt/$pid/gc_start/enabled'" 3>&-
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    umount "$mnt"
    wait_until '! is_running "$server"'
}
