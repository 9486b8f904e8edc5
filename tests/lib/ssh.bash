# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Another machine, which is this one over the loopback: a server of ssh for root alone, with keys of
# its own, at a port of 127.0.0.1 that is free. Its home is $work: nobody's .bashrc is run.

# ssh_begin [COMMAND...]: starts a server, by way of COMMAND, and writes ssh's configuration for it:
# $work/ssh/config.
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
SetEnv HOME=$work
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
    start_command root "$@" /usr/sbin/sshd -D -e -f "$work/ssh/sshd_config"
    wait_until 'ssh -F "$work/ssh/config" web1 true 2> /dev/null'
}
