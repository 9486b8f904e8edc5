#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The units of systemd, run by a systemd of the test's own.

load lib/session
load lib/installed
load lib/systemd

setup() {
    session_begin
    systemd_begin
}

teardown() {
    if [ -z "${BATS_TEST_COMPLETED:-}" ]; then
        control status --lines 0 probefs.service mnt-probes.mount || true
    fi
    systemd_end
    session_end
}

# start_within USER NAME ARGUMENT...: a program among systemd's processes. Sets: pid (its number
# there), host_pid (ours).
start_within() {
    local as
    as "$1"
    host_out=$work/out/$2-$1
    nsenter --all --target "$systemd" "${as[@]}" "$(target "$2")" "${@:3}" \
        > "$host_out" 2>&1 < /dev/null 3>&- &
    wait_until 'grep -q ^pid "$host_out"'
    pid=$(sed -n 's/^pid //p' "$host_out")
    host_pid=$(pgrep -u "$(user_name "$1")" -f "^$work/bin/$2 ?${*:3}")
    adopt "$host_pid"
}

# user_switches USER: switches the last program's probe on and off, as USER.
user_switches() {
    local as value
    as "$1"
    for value in 1 0; do
        in_systemd "${as[@]}" tee "/mnt/probes/$pid/gc_start/enabled" <<< $value > /dev/null
        assert_equal "$(in_systemd "${as[@]}" cat "/mnt/probes/$pid/gc_start/enabled")" $value
        assert_equal "$(memory_of "$host_pid" gc_start)" "$value $([ $value = 1 ] && echo on || echo off)"
    done
}

# The main process of the service, by our number for it.
main_process() {
    local inner
    inner=$(property probefs.service MainPID)
    [ "$inner" != 0 ] || return 1
    grep -lP "^NSpid:\t\d+\t$inner\$" /proc/[0-9]*/status 2> /dev/null | cut -d/ -f3 |
        while read -r each; do
            [ "$(readlink "/proc/$each/ns/pid")" != "$(readlink "/proc/$systemd/ns/pid")" ] || echo "$each"
        done
}

status_of() {
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

units_mounts() {
    in_systemd findmnt -rn -t fuse.probefs -o TARGET | grep -cx /mnt/probes || true
}

@test "systemd-analyze verify has nothing to say of the units" {
    for unit in probefs.service mnt-probes.mount; do
        run in_systemd systemd-analyze verify --man=no "$work/units/$unit"
        assert_equal "$status:$output" 0: "verify $unit"
    done
    for file in probefs.service mnt-probes.mount; do
        assert_match "$(installed_file $file)" '*/lib/systemd/system/*'
    done
}

@test "the service serves root and users under its hardening, with workers of each" {
    control start probefs.service
    assert_equal "$(units_mounts)" 1 "mounts"
    start_within root demo-ocaml_1 -q
    user_switches root
    start_within a undumpable -q
    user_switches root
    start_within a demo-ocaml_1 -q
    user_switches a
    assert_equal "$(in_systemd setpriv --reuid "$(user_name b)" --regid "$(user_name b)" --init-groups \
        "$work/errno-of" write "/mnt/probes/$pid/gc_start/enabled" 1)" EACCES
    server=$(main_process)
    worker=$(workers_of "$server" a)
    for each in "$server" "$worker"; do
        assert_equal "$(status_of "$each" NoNewPrivs)" 1
        assert_equal "$(status_of "$each" Seccomp)" 2
    done
    # SYS_ADMIN, SYS_PTRACE, DAC_OVERRIDE, CHECKPOINT_RESTORE, SETUID, SETGID, SETPCAP, KILL, NICE, BPF,
    # PERFMON
    assert_equal "$(status_of "$server" CapBnd)" 000001c000a801e2
    assert_equal "$(status_of "$worker" CapPrm)" 0000010000000000
    assert_equal "$(property probefs.service NRestarts)" 0
}

@test "the service with engine=ptrace, from /etc/default" {
    echo "OPTIONS=\"-o engine=ptrace,gid=$(user_name b)\"" > "$work/default/probefs"
    control start probefs.service
    assert_match "$(tr '\0' ' ' < "/proc/$(main_process)/cmdline")" "*engine=ptrace,gid=*"
    start_within root threads -i 5 3
    assert_equal "$(in_systemd stat -c %G "/mnt/probes/$pid")" "$(user_name b)"
    user_switches root
    start_within a demo-ocaml_1 -q
    user_switches a
    user_switches b
}

@test "a killed server is started again; its dead mount, and nothing else, has gone" {
    control start probefs.service
    start_within a demo-ocaml_1 -q
    in_systemd tee "/mnt/probes/$pid/gc_start/enabled" <<< 1 > /dev/null
    for round in 1 2; do
        server=$(main_process)
        kill -KILL "$server"
        wait_until '[ "$(property probefs.service NRestarts)" = $round ] &&
            [ "$(property probefs.service ActiveState)" = active ]' 30
        assert_equal "$(units_mounts)" 1 "mounts"
        [ "$(main_process)" != "$server" ]
        assert_equal "$(in_systemd cat "/mnt/probes/$pid/gc_start/enabled")" 1
    done
    user_switches a
}

@test "killed and not started again: no dead mount is left" {
    mkdir "$work/units/probefs.service.d"
    printf '[Service]\nRestart=no\n' > "$work/units/probefs.service.d/test.conf"
    control daemon-reload
    control start probefs.service
    kill -KILL "$(main_process)"
    wait_until '[ "$(property probefs.service ActiveState)" = failed ]' 30
    assert_equal "$(units_mounts)" 0 "mounts"
}

@test "a killed worker does not end the service, and a stopped one is ended" {
    control start probefs.service
    start_within a demo-ocaml_1 -q
    user_switches a
    server=$(main_process)
    kill -KILL "$(workers_of "$server" a)"
    user_switches a
    worker=$(workers_of "$server" a)
    pause_process "$worker"
    status=0
    in_systemd cat "/mnt/probes/$pid/gc_start/enabled" > "$work/read" 2>&1 || status=$?
    assert_equal "$status $(tail -c 21 "$work/read")" "1 Connection timed out"
    wait_until "! is_running $worker"
    user_switches a
    assert_equal "$(main_process)" "$server"
    assert_equal "$(property probefs.service NRestarts)" 0
}

@test "systemctl stop: holds are released, workers end, it is unmounted" {
    control start probefs.service
    start_within a demo-ocaml_1 -q
    server=$(main_process)
    in_systemd sh -c 'exec 9> "$1"; exec sleep 60' sh "/mnt/probes/$pid/gc_start/hold" 3>&- &
    wait_until '[ "$(memory_of "$host_pid" gc_start)" = "1 on" ]'
    workers=$(workers_of "$server")
    [ "$workers" ]
    # As long as a file is open in it, it cannot be unmounted; its end frees it.
    control stop probefs.service
    assert_equal "$(property probefs.service ActiveState)" inactive
    wait_until '[ "$(memory_of "$host_pid" gc_start)" = "0 off" ]'
    for each in $server $workers; do
        wait_until "! is_running $each"
    done
    assert_equal "$(units_mounts)" 0 "mounts"
}

@test "the mount unit" {
    control start mnt-probes.mount
    assert_equal "$(property mnt-probes.mount ActiveState)" active
    assert_equal "$(units_mounts)" 1 "mounts"
    start_within a demo-ocaml_1 -q
    user_switches a
    user_switches root
    control stop mnt-probes.mount
    assert_equal "$(units_mounts)" 0 "mounts"
    wait_until '! pgrep --ns "$systemd" --nslist pid -x probefs > /dev/null'
}
