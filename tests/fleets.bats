#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The tree of another machine, through sshfs, as doc/fleets.md has it. The other machine is this
# one, over the loopback, with a server of ssh of the test's own.

load lib/session
load lib/ssh

setup() {
    session_begin
    start_server
    ssh_begin
    far=$work/far
    mkdir "$far"
    mount_far "$far"
    start demo-ocaml_1 -i 20
}

teardown() {
    if [ "${far:-}" ] && findmnt -n -M "$far" >/dev/null; then
        umount "$far" || umount -l "$far"
    fi
    session_end
}

mount_far() {
    sshfs -F "$work/ssh/config" -o direct_io,sshfs_sync,dir_cache=no web1:"$mnt" "$1" 3>&-
    [ -e "$1/README" ]
}

@test "sshfs: listing, reading, switching" {
    assert_equal "$(ls "$far" | grep -cx "$pid")" 1
    assert_equal "$(ls "$far/$pid" | paste -sd' ')" "$(ls "$mnt/$pid" | paste -sd' ')"
    assert_equal "$(cat "$far/README")" "$(cat "$mnt/README")"
    assert_equal "$(cat "$far/$pid/info")" "$(cat "$mnt/$pid/info")"
    assert_equal "$(< "$far/$pid/gc_start/enabled")" 0
    echo 1 > "$far/$pid/gc_start/enabled"
    says '^gc_start'
    assert_equal "$(< "$far/$pid/gc_start/enabled")" 1
    assert_equal "$(cd "$far" && grep -l 1 "$pid"/*/enabled | paste -sd' ')" \
        "$pid/boot/enabled $pid/gc_start/enabled"
    echo '0 gc_*' > "$far/$pid/control"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    printf '%s\n' +1 > "$far/$pid/gc_stop/semaphore"
    assert_equal "$(counter_value gc_stop)" 1
    assert_match "$(cat "$far/$pid/gc_stop/sites")" "0x* 1 $work/bin/demo-ocaml_1+*"
}

counter_value() {
    memory_of "$pid" "$1" | cut -d' ' -f1
}

@test "sshfs: probe-top shows what is on, and what is counted, on the far side" {
    local top=$build/probe-top/probe-top
    echo 1 > "$far/$pid/gc_stop/hits"
    echo 1 > "$far/$pid/gc_start/enabled"
    # Some versions of sshfs follow no links, so the program may be ?.
    run -0 "$top" -b -n 2 -d 1 -p "$pid" "$far"
    grep -Eqx "$pid [^ ]+ 1 - - gc_start" <<<"$output"
    grep -Eqx "$pid [^ ]+ 0 [0-9]+\.[0-9] [0-9]+ gc_stop" <<<"$output"
    "$top" -b -n 1 "$far" | grep -q "^$pid "
}

@test "sshfs: what was changed on the far side is seen by the next look" {
    for value in 1 0 1; do
        echo $value > "$mnt/$pid/gc_start/enabled"
        assert_equal "$(< "$far/$pid/gc_start/enabled")" $value
    done
    start demo-ocaml_1 -q
    assert_equal "$(ls "$far" | grep -cx "$pid")" 1
    stop "$pid"
    ls "$far" > "$work/listing"
    grep -qx README "$work/listing"
    assert_equal "$(grep -cx "$pid" "$work/listing" || true)" 0
}

@test "sshfs: errors arrive, if not all by their names; error_log has the sentence" {
    # SFTP knows few errors: what it has no number for is EIO here.
    assert_errno EIO write "$far/$pid/gc_start/enabled" 2
    assert_match "$(tail -n 1 "$far/$pid/error_log")" '*EINVAL*write 0 or 1*'
    assert_errno EIO write "$far/$pid/gc_start/semaphore" -1
    assert_match "$(tail -n 1 "$far/$pid/error_log")" '*ERANGE*'
    assert_errno ENOENT write "$far/$pid/nothing/enabled" 1
    assert_errno ENOENT read "$far/$pid/nothing"
    run -1 sh -c "echo maybe > '$far/$pid/gc_start/enabled'"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

@test "sshfs: a hold lasts as long as it is open, and ends with the connection" {
    exec 8> "$far/$pid/gc_start/hold"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    exec 8>&-
    wait_until '[ "$(memory_of "$pid" gc_start)" = "0 off" ]'
    exec 8> "$far/$pid/gc_start/hold"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    # The far side's sftp server is the one that has it open.
    kill "$(pgrep -f "^sshfs .*$far\$")"
    wait_until '[ "$(memory_of "$pid" gc_start)" = "0 off" ]'
    # That its last close cannot be told to anybody is an error.
    exec 8>&- || true
}

@test "ssh: one command for many machines" {
    for host in web1 web2 web3; do
        ssh -F "$work/ssh/config" "$host" "grep -l demo-ocaml_1 /proc/$pid/comm && \
            echo 1 > '$mnt/$pid/gc_start/enabled'"
    done > "$work/answers"
    assert_equal "$(wc -l < "$work/answers")" 3
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
}

@test "probefs-hits: what is counted, as node_exporter reads it" {
    local exporter=$tests/../packaging/prometheus/probefs-hits fake=$work/fake
    # Of every process in a tree, also those that end meanwhile, with text that has to be quoted.
    mkdir -p "$fake"/{30,4,500} "$fake/self"
    touch "$fake/README"
    printf '7 gc_start\n0 python:gc__done\n' >"$fake/30/hits"
    ln -s '/opt/a "b"\c' "$fake/30/exe"
    printf '1 gc_stop\n' >"$fake/4/hits"
    ln -s /bin/x "$fake/4/exe"
    run -0 "$exporter" "$fake"
    assert_equal "$output" '# HELP probefs_hits_total How often a probe fired since it is counted.
# TYPE probefs_hits_total counter
probefs_hits_total{pid="4",program="/bin/x",probe="gc_stop"} 1
probefs_hits_total{pid="30",program="/opt/a \"b\"\\c",probe="gc_start"} 7
probefs_hits_total{pid="30",program="/opt/a \"b\"\\c",probe="python:gc__done"} 0'

    echo 1 >"$mnt/$pid/gc_start/hits"
    wait_until "'$exporter' '$mnt' | grep -q 'pid=\"$pid\",program=\"$work/bin/demo-ocaml_1\",probe=\"gc_start\"} [1-9]'"
    echo 0 >"$mnt/$pid/gc_start/hits"
    run -1 "$exporter" /nowhere
    assert_equal "$output" "probefs-hits: there is no tree of probefs at /nowhere"
}
