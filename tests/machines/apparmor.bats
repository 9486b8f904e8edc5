#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A server under an AppArmor profile: without a rule for ptrace it can look into nothing, and says
# so. The kernel's own AppArmor refuses, so this runs in a guest (README.md).

load ../lib/session-with-users
load ../lib/own

setup() {
    session_begin
    [ "$(< /sys/module/apparmor/parameters/enabled)" = Y ]
}

teardown() {
    own_end
    session_end
    apparmor_parser -R "/tmp/profile-$$" || true
    rm -f "/tmp/profile-$$"
}

# confine RULE: servers that are started from now on have a profile that allows all that a server
# does but tracing, and RULE.
confine() {
    cat > "/tmp/profile-$$" << END
abi <abi/3.0>,
profile probefs-test flags=(attach_disconnected) {
    file,
    capability,
    network,
    unix,
    signal,
    mount,
    umount,
    $1
}
END
    apparmor_parser -r "/tmp/profile-$$"
    printf '#!/bin/sh\nexec aa-exec -p probefs-test -- %s "$@"\n' "$(server_program)" > "$work/confined"
    chmod 755 "$work/confined"
    server_program() { echo "$work/confined"; }
}

profile_of_server() {
    cat "/proc/$server/attr/apparmor/current"
}

# is_told LOG COMMAND...: a listing by COMMAND leaves the reason in the server's LOG.
is_told() {
    local log=$1
    shift
    wait_until "$* >/dev/null; grep -q 'nor perhaps any' '$log'"
    assert_match "$(grep -m 1 'nor perhaps any' "$log")" "*warning: process * of user * may not be \
looked into, nor perhaps any: the AppArmor profile here is probefs-test (enforce), and may lack the \
rule 'ptrace,'"
}

@test "without ptrace: nothing is shown, and the log says why, to root and to a user" {
    confine ''
    start_server
    assert_equal "$(profile_of_server)" "probefs-test (enforce)"
    is_told "$log" ls "$mnt"
    own_start a
    is_told "$work/out/own" in_own a ls "$own"
}

@test "with ptrace for reading: probes are shown, and what is refused names the profile" {
    confine 'ptrace read,'
    start demo-ocaml_1 -q
    start_server
    assert_equal "$(profile_of_server)" "probefs-test (enforce)"
    [ -d "$mnt/$pid/gc_start" ]
    assert_errno EACCES open-read "$mnt/$pid/gc_start/enabled"
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
        "*a security module: the AppArmor profile here is probefs-test (enforce)*"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

@test "with ptrace: probes are switched, by both engines" {
    local engine
    confine 'ptrace,'
    start demo-ocaml_1 -q
    for engine in vm ptrace; do
        start_server -o "engine=$engine"
        assert_equal "$(profile_of_server)" "probefs-test (enforce)"
        echo 1 > "$mnt/$pid/gc_start/enabled"
        assert_equal "$(memory_of "$pid" gc_start)" "1 on"
        echo 0 > "$mnt/$pid/gc_start/enabled"
        assert_equal "$(memory_of "$pid" gc_start)" "0 off"
        [ ! -s "$log" ]
        stop_server "$server" "$mnt"
    done
}
