#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Debian's packages on a booted machine, whose init is systemd (README.md): dpkg, systemctl and mount
# do here what they do for an administrator. /share/packages has the packages of the checkout,
# /share/previous those of 0.1.0.

load ../lib/session-with-users

ours=(probefs libprobe-engine1 libprobe-engine0)

setup() {
    session_begin
    mnt=/mnt/probes
    # This kernel starts with 1, where a user reads and root switches: yama.bats.
    echo 0 > /proc/sys/kernel/yama/ptrace_scope
    # Servers are systemd's children here, and not the test's.
    systemctl set-environment "PROBEFS_PATIENCE=$PROBEFS_PATIENCE"
    have packages
}

teardown() {
    exec 9>&-
    if [ -z "${BATS_TEST_COMPLETED:-}" ]; then
        systemctl --no-pager --full status probefs.service mnt-probes.mount || true
    fi
    systemctl stop probefs.service mnt-probes.mount || true
    sed -i "\\, $mnt ,d" /etc/fstab
    systemctl daemon-reload
    session_end
}

# have FOLDER: of our packages, those in /share/FOLDER alone.
have() {
    dpkg --purge "${ours[@]}" > "$work/out/purge" 2>&1
    dpkg --force-unsafe-io -i "/share/$1"/*.deb > "$work/out/install" 2>&1
}

property() {
    systemctl show --value --property "$2" "$1"
}

main_process() {
    property probefs.service MainPID
}

# mounted COUNT: so many mounts of probefs are at the place.
mounted() {
    assert_equal "$(findmnt -rn -t fuse.probefs -o TARGET | grep -cx "$mnt" || true)" "$1" mounts
}

# switches USER PID: on and off.
switches() {
    local value
    for value in 1 0; do
        assert_errno_as "$1" OK write "$mnt/$2/gc_start/enabled" $value
        assert_equal "$(run_as "$1" cat "$mnt/$2/gc_start/enabled")" $value
        assert_equal "$(memory_of "$2" gc_start)" "$value $([ $value = 1 ] && echo on || echo off)"
    done
}

# takes_hold: a hold on gc_stop of $pid, at descriptor 9.
takes_hold() {
    exec 9> "$mnt/$pid/gc_stop/hold"
    assert_equal "$(memory_of "$pid" gc_stop)" "1 on"
}

is_given_back() {
    wait_until '[ "$(memory_of "$pid" gc_stop)" = "0 off" ]'
}

no_process_is_left() {
    wait_until '! pgrep "^probefs" > /dev/null'
}

@test "units: a start mounts, an ordinary user switches, a stop unmounts" {
    start_as a demo-ocaml_1 -q
    for unit in probefs.service mnt-probes.mount; do
        assert_equal "$(property $unit UnitFileState)" disabled
        mounted 0
        systemctl start $unit
        mounted 1
        switches root "$pid"
        switches a "$pid"
        assert_errno_as b EACCES write "$mnt/$pid/gc_start/enabled" 1
        systemctl stop $unit
        assert_equal "$(property $unit ActiveState)" inactive
        mounted 0
        no_process_is_left
    done
}

@test "a line of fstab: by mount, and by the unit that systemd makes of it" {
    start_as a demo-ocaml_1 -q
    for type in probefs fuse.probefs; do
        echo "probefs $mnt $type nofail,gid=$(user_name b) 0 0" >> /etc/fstab
        mkdir -p "$mnt"
        mount "$mnt" 3>&-
        mounted 1
        switches a "$pid"
        switches b "$pid"
        umount "$mnt"
        no_process_is_left
        # It stands before the package's own unit of that name.
        systemctl daemon-reload
        assert_equal "$(property mnt-probes.mount FragmentPath)" /run/systemd/generator/mnt-probes.mount
        systemctl start mnt-probes.mount
        mounted 1
        switches a "$pid"
        switches b "$pid"
        systemctl stop mnt-probes.mount
        mounted 0
        no_process_is_left
        sed -i "\\, $mnt ,d" /etc/fstab
    done
}

@test "a killed server is started again: what was on is on, and holds are given back" {
    systemctl start probefs
    start_as a demo-ocaml_1 -q
    assert_errno_as a OK write "$mnt/$pid/gc_start/enabled" 1
    for round in 1 2; do
        takes_hold
        server=$(main_process)
        # At last without workers that could give anything back.
        doomed=("$server")
        [ $round = 1 ] || mapfile -t -O 1 doomed < <(workers_of "$server")
        kill -KILL "${doomed[@]}"
        is_given_back
        wait_until '[ "$(property probefs.service NRestarts)" = $round ] &&
            [ "$(property probefs.service ActiveState)" = active ]' 30
        mounted 1
        [ "$(main_process)" != "$server" ]
        assert_equal "$(run_as a cat "$mnt/$pid/gc_start/enabled")" 1
        # Of the mount that has gone.
        exec 9>&- || true
    done
    switches a "$pid"
}

@test "a killed worker ends nothing: its hold is taken over" {
    echo 'OPTIONS=-o log=info' > /etc/default/probefs
    systemctl start probefs
    rm /etc/default/probefs
    start_as a demo-ocaml_1 -q
    takes_hold
    server=$(main_process)
    kill -KILL "$(workers_of "$server" a)"
    wait_until 'journalctl -u probefs | grep -q "process $pid: a hold was taken over"'
    assert_equal "$(memory_of "$pid" gc_stop)" "1 on"
    assert_equal "$(cat "$mnt/$pid/gc_stop/hold")" 1
    exec 9>&-
    look "$pid"
    assert_equal "$(memory_of "$pid" gc_stop)" "0 off"
    switches a "$pid"
    assert_equal "$(main_process) $(property probefs.service NRestarts)" "$server 0"
}

@test "an upgrade from 0.1.0 leaves the server and its holds alone, until it is restarted" {
    have previous
    systemctl start probefs
    start_as a demo-ocaml_1 -q
    takes_hold
    server=$(main_process)
    # At all times.
    (while :; do memory_of "$pid" gc_stop; done) > "$work/out/seen" 3>&- &
    watch=$!
    dpkg --force-unsafe-io -i /share/packages/*.deb
    kill "$watch"
    wait "$watch" || true
    assert_equal "$(sort -u "$work/out/seen")" "1 on"
    assert_equal "$(main_process)" "$server"
    assert_equal "$(property probefs.service NeedDaemonReload)" no
    assert_equal "$(cat "$mnt/$pid/gc_stop/hold")" 1
    exec 9>&-
    look "$pid"
    assert_equal "$(memory_of "$pid" gc_stop)" "0 off"

    systemctl restart probefs
    mounted 1
    assert_equal "$(readlink "/proc/$(main_process)/exe")" /usr/sbin/probefs
    takes_hold
    exec 9>&-
    switches a "$pid"
}

@test "a removal stops what runs, and leaves nothing" {
    start_as a demo-ocaml_1 -q
    for unit in probefs.service mnt-probes.mount; do
        have packages
        systemctl enable --now $unit
        takes_hold
        # The service ends with files open in it. A mount unit's mount stays while it is in use, as any.
        [ $unit = probefs.service ] || exec 9>&-
        dpkg --purge "${ours[@]}"
        mounted 0
        is_given_back
        no_process_is_left
        exec 9>&- || true
        assert_equal "$(property $unit LoadState)" not-found
        run find /etc /usr /var /run \( -name '*probefs*' -o -name '*probe-engine*' -o -name 'mnt-probes*' \) \
            ! -name '*probefs-test*' -print
        assert_equal "$output" ""
    done
}
