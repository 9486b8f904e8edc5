#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The commands that doc/fleets.md sends to many machines, as they are written there. The machines are
# this one, over ssh, in a mount namespace where the tree is at /mnt/probes.

load ../lib/session
load ../lib/installed
load ../lib/ssh

setup() {
    session_begin
    namespace_begin
    inside mount -t tmpfs tmpfs /mnt
    inside mkdir /mnt/probes
    inside mount -t probefs probefs /mnt/probes
    ssh_begin nsenter --mount --target "$namespace"
    export PDSH_SSH_ARGS_APPEND="-F $work/ssh/config"
    cp "$targets/demo-ocaml_1" "$work/bin/myserver"
    start_command root "$work/bin/myserver" -q
    server=$pid
    wait_until "inside test -e /mnt/probes/$server/gc_start"
    blocks_of_page >"$work/page"
}

teardown() {
    ! inside mountpoint -q /mnt/probes || inside umount /mnt/probes
    namespace_end
    session_end
}

# The page's indented blocks that begin with ssh or pdsh, each ended by a line "--". There are fewer machines
# here, and less time.
blocks_of_page() {
    awk '/^    / { if (!inside) taken = /^    (ssh|pdsh) /
                   if (taken) print substr($0, 5)
                   inside = 1; next }
         { if (inside && taken) print "--"; inside = taken = 0 }' "$tests/../doc/fleets.md" |
        sed 's/web\[1-40\]/web[1-2]/; s/sleep 60/sleep 3/'
}

# runs NUMBER: that block, in a shell.
runs() {
    local block
    block=$(awk -v wanted="$1" '$0 == "--" { n++; next } n == wanted - 1' "$work/page")
    [ "$block" ]
    PDSH_RCMD_TYPE=ssh bash -e -c "ssh() { command ssh -F '$work/ssh/config' \"\$@\"; }
$block" 3>&-
}

@test "what doc/fleets.md sends to one machine and to many" {
    assert_equal "$(grep -cx -- -- "$work/page")" 3
    runs 1
    assert_equal "$(memory_of "$server" gc_start)" "1 on"
    assert_equal "$(memory_of "$server" gc_stop)" "0 off"

    run -0 runs 2
    assert_equal "$(memory_of "$server" gc_stop)" "1 on"
    assert_equal "$(memory_of "$server" idle)" "0 off"
    for host in web1 web2; do
        grep -qx "$host: /mnt/probes/$server/gc_stop/enabled" <<<"$output"
    done
}

@test "a hold on many machines ends with the command" {
    runs 3 &
    local running=$!
    wait_until "[ \"\$(inside cat /mnt/probes/$server/gc_start/hold)\" = 2 ]"
    assert_equal "$(memory_of "$server" gc_start)" "2 on"
    wait "$running"
    wait_until "[ \"\$(memory_of $server gc_start)\" = '0 off' ]"
}
