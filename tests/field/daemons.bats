#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# sssd and libvirtd: daemons whose probes are in their libraries, too.

load ../lib/field

# start_sssd: with the users of a file of the test's, and its own directories over the system's.
start_sssd() {
    needs sssd
    mkdir -m 711 "$work/sss" "$work/sss/db" "$work/sss/mc" "$work/sss/pipes" "$work/sss/pipes/private" \
        "$work/log" "$work/run"
    getent passwd root nobody >"$work/passwd"
    getent group root nogroup >"$work/group"
    cat >"$work/sssd.conf" <<END
[sssd]
services = nss
domains = field
[domain/field]
id_provider = files
passwd_files = $work/passwd
group_files = $work/group
END
    chmod 600 "$work/sssd.conf"
    start_command root unshare --mount --propagation private sh -c "$forget_mounts
        mount --bind '$work/sss' /var/lib/sss && mount --bind '$work/log' /var/log/sssd &&
        mount --bind '$work/run' /run && exec sssd -i -c '$work/sssd.conf'"
    head=$pid
    wait_until "pgrep -P $head -x sssd_be >'$work/backend' && pgrep -P $head -x sssd_nss" 60
    backend=$(cat "$work/backend")
}

@test "sssd: its probes, all on and off while it reads its users, holds" {
    start_sssd
    start_load bash -c 'sleep 0.2; touch "$0"' "$work/passwd"
    wait_until '[ -d "$mnt/$backend/sssd:sysdb_transaction_start" ]' 30
    same_as_peers "$backend" "$(pgrep -P "$head" -x sssd_nss)"
    switch_all 10 "$backend"
    hold_for 1 "$backend" sssd:sysdb_transaction_start
    end_load
    nobody_is_on "$backend"
}

# start_libvirtd: as a user, who has it all in directories of their own.
start_libvirtd() {
    needs libvirtd virsh
    mkdir -m 700 "$work/home"
    chown "$(user_name a)" "$work/home"
    start_command a env HOME="$work/home" XDG_RUNTIME_DIR="$work/home" libvirtd
    head=$pid
    socket=$work/home/libvirt/libvirt-sock
    wait_until "[ -S '$socket' ]" 60
}

@test "libvirtd: its probes, all on and off while clients call, holds" {
    start_libvirtd
    start_load setpriv --reuid "$(user_name a)" --regid "$(user_name a)" --init-groups \
        virsh -q -c "test+unix:///default?socket=$socket" list
    same_as_peers "$head"
    switch_all 10 "$head"
    hold_for 1 "$head" libvirt:rpc_server_client_msg_rx
    end_load
    nobody_is_on "$head"
}
