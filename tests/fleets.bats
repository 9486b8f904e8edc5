#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The tree of another machine, through sshfs, as doc/fleets.md has it. The other machine is this
# one, over the loopback, with a server of ssh of the test's own.

load lib/session

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

# A server for root alone, with keys of its own, at a port of 127.0.0.1 that is free.
ssh_begin() {
    mkdir -m 700 "$work/ssh"
    ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host"
    ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/key"
    cp "$work/ssh/key.pub" "$work/ssh/authorized"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
    cat > "$work/ssh/sshd_config" << END_OF_CONFIG
ListenAddress 127.0.0.1:$port
HostKey $work/ssh/host
AuthorizedKeysFile $work/ssh/authorized
AllowUsers root
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
END_OF_CONFIG
    cat > "$work/ssh/config" << END_OF_CONFIG
Host *
    HostName 127.0.0.1
    Port $port
    User root
    IdentityFile $work/ssh/key
    IdentitiesOnly yes
    UserKnownHostsFile $work/ssh/known
    StrictHostKeyChecking accept-new
    LogLevel ERROR
END_OF_CONFIG
    # Where it puts whom it does not trust yet.
    mkdir -p /run/sshd
    start_command root /usr/sbin/sshd -D -e -f "$work/ssh/sshd_config"
    wait_until 'ssh -F "$work/ssh/config" web1 true 2> /dev/null'
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
    assert_equal "$(cat "$far/$pid/gc_start/enabled")" 0
    echo 1 > "$far/$pid/gc_start/enabled"
    says '^gc_start'
    assert_equal "$(cat "$far/$pid/gc_start/enabled")" 1
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

@test "sshfs: what was changed on the far side is seen by the next look" {
    for value in 1 0 1; do
        echo $value > "$mnt/$pid/gc_start/enabled"
        assert_equal "$(cat "$far/$pid/gc_start/enabled")" $value
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
