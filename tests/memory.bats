#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: once first
#
# Memory that runs out in a server and its workers, at each allocation of each operation: the
# driver is faults/memory.py. It runs once, in a plain build: where there are sanitizers, malloc is
# theirs.

load lib/session-with-users

export PROBEFS_PATIENCE=1

@test "an allocation that fails, or all from one on: ENOMEM or success, and nothing is lost" {
    server_program > /dev/null
    cp "$targets/demo-ocaml_1" "$targets/many-1000" "$build/tests/faults/faults.so" "$work/bin"
    # glibc ends a process that has no memory for the variables of a thread in a library that was
    # loaded later, as that of systemd is to look for users (see doc/RELIABILITY.md).
    printf 'passwd: files\ngroup: files\n' > "$work/nsswitch.conf"
    # In a pid namespace: a server that lists no other suite's processes asks for the same memory
    # each time.
    unshare --pid --mount --propagation private --fork --kill-child --mount-proc \
        bash -c "$forget_mounts; mount --bind '$work/nsswitch.conf' /etc/nsswitch.conf; "'
            "$@"; exit "$?"' bash \
        python3 "$tests/faults/memory.py" --programs "$work/bin" --work "$work" \
        --user "$(user_name a)" --group "$(user_name b)" > "$work/out/memory" 2>&1 < /dev/null 3>&-
}
