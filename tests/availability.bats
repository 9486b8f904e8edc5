# SPDX-License-Identifier: MIT
# runs: alone
#
# What ordinary users can do to make others wait, and what it may cost these: see
# availability/attack.py. Each attack has pid and mount namespaces of its own.

load lib/session

export PROBEFS_PATIENCE=1

setup() {
    session_begin
    # Memory that was freed is to be seen as such: no large store of it.
    ASAN_OPTIONS+=":quarantine_size_mb=1:thread_local_quarantine_size_kb=16"
}

# attack NAME [ARGUMENT]...: with a server of its own. Whatever hangs ends with the namespace.
attack() {
    local name=$1 status=0
    shift
    server_program >/dev/null
    cp "$targets/demo-ocaml_1" "$targets/execer" "$targets/host" "$targets/jammed" \
        "$targets/libplug.so" "$targets/mapper" "$build/tests/fuse-hang/fuse-hang" "$work/bin"
    unshare --pid --mount --propagation private --fork --kill-child --mount-proc \
        timeout --kill-after 5 300 bash -c "$forget_mounts; "'"$@"; exit "$?"' bash \
        python3 "$tests/availability/attack.py" --programs "$work/bin" --work "$work" \
        "$name" "$@" >"$work/out/$name" 2>&1 </dev/null 3>&- || status=$?
    cat "$work/out/$name"
    return $status
}

@test "forty processes map a file that never answers, and are looked up all the time" {
    attack mapped_file
}

@test "twelve programs have notes that take long to read, and are looked up all the time" {
    attack many_notes
}

@test "a process is stuck in exec, and is asked for all the time" {
    attack stuck_exec
}

@test "a process of root's runs from a file system that stopped" {
    attack roots_own
}

@test "each of many users keeps a file and a hold open" {
    attack many_users
}

@test "64 users have a silent process each" {
    attack silent_users
}

@test "all files of twelve silent processes are read, one after the other" {
    attack silent_files
}

@test "one user opens the directory of a process with long names again and again" {
    attack directories --option user_memory=16
}

@test "one user keeps 5,000 error_logs open" {
    attack error_logs
}

@test "a service whose group is not its user's own: that user with that group may look, others not" {
    attack other_group
}

@test "a process that calls exec all the time: nobody sees ESTALE" {
    attack exec_for_ever
}
