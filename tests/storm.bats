# SPDX-License-Identifier: MIT
# runs: first
#
# Storms of writers, servers that are killed in them, targets that change under the writers' hands,
# and a soak. The programs that do this are in storm/. With PROBEFS_LONG=1 all of it goes on for
# long; PROBEFS_SEED chooses other random numbers than those of every day.

load lib/session-with-users

setup() {
    session_begin
    # Memory is to stay as it is: no large store of what was freed.
    ASAN_OPTIONS+=":quarantine_size_mb=1:thread_local_quarantine_size_kb=16"
    seed=${PROBEFS_SEED:-20}
    echo "PROBEFS_SEED=$seed"
}

# long SHORT LONG: how much of something is done.
long() {
    if [ "${PROBEFS_LONG:-}" ]; then
        echo "$2"
    else
        echo "$1"
    fi
}

# What is started goes where test users reach it.
copy_programs() {
    server_program >/dev/null
    cp "$targets/demo-ocaml_1" "$targets/libplug.so" "$targets/many-1000" "$targets/tally" \
        "$targets/upheaval" "$build/tests/storm/tracer" "$build/tests/storm/writers" "$work/bin"
}

# driver NAME ARGUMENT...: runs storm/NAME.py in a pid namespace, where all that it has started ends
# with it. What a long run finds out is worth keeping.
driver() {
    local name=$1 status=0
    shift
    copy_programs
    PROBEFS_SLOWNESS=$(patient 100) unshare --pid --mount --propagation private --fork --kill-child --mount-proc \
        bash -c "$forget_mounts; "'"$@"; exit "$?"' bash \
        python3 "$tests/storm/$name.py" --programs "$work/bin" --work "$work" \
        --user "$(user_name a)" --seed "$seed" "$@" >"$work/out/$name" 2>&1 </dev/null 3>&- ||
        status=$?
    cat "$work/out/$name"
    if [ "${PROBEFS_LONG:-}" ]; then
        sed "s/^/# /" "$work/out/$name" >&3
    fi
    return $status
}

# ---- storms --------------------------------------------------------------------------------------

@test "a storm: counters end exact, each pass is accounted for, code stays (engine=vm, two servers)" {
    driver storm --servers 2 --seconds "$(long 5 60)"
}

@test "a storm: counters end exact, each pass is accounted for, code stays (engine=ptrace)" {
    driver storm --option engine=ptrace --seconds "$(long 5 60)"
}

# ---- servers that are killed ---------------------------------------------------------------------

@test "the server is killed in storms: targets run, holds are released, X is mended (engine=vm)" {
    driver killer --rounds "$(long 8 500)"
}

@test "the server is killed in storms: targets run, holds are released, X is mended (engine=ptrace)" {
    driver killer --option engine=ptrace --rounds "$(long 8 500)"
}

@test "a worker and the server are killed, one just after the other: holds are given back once (engine=vm)" {
    driver orphans --rounds "$(long 16 300)"
}

@test "a worker and the server are killed, one just after the other: holds are given back once (engine=ptrace)" {
    driver orphans --option engine=ptrace --rounds "$(long 8 300)"
}

# ---- targets that change -------------------------------------------------------------------------

@test "targets that end in the middle of updates (engine=vm)" {
    driver upheaval --updates "$(long 600 10000)" die
}

@test "targets that end in the middle of updates (engine=ptrace)" {
    driver upheaval --option engine=ptrace --updates "$(long 600 10000)" die
}

@test "targets that exec in the middle of updates: the new image is not touched (engine=vm)" {
    driver upheaval --updates "$(long 600 10000)" exec
}

@test "targets that exec in the middle of updates: the new image is not touched (engine=ptrace)" {
    driver upheaval --option engine=ptrace --updates "$(long 600 10000)" exec
}

@test "targets that fork in the middle of updates: children are not touched" {
    driver upheaval --updates "$(long 600 10000)" fork
}

@test "libraries that are unloaded in the middle of updates (engine=vm)" {
    driver upheaval --updates "$(long 600 10000)" unload
}

@test "libraries that are unloaded in the middle of updates: their place stays (engine=ptrace)" {
    driver upheaval --exact --option engine=ptrace --updates "$(long 600 10000)" unload
}

@test "targets that get traced in the middle of updates (engine=vm)" {
    driver upheaval --updates "$(long 600 10000)" trace
}

@test "targets that get traced in the middle of updates: EBUSY (engine=ptrace)" {
    driver upheaval --exact --option engine=ptrace --updates "$(long 600 10000)" trace
}

# ---- for long ------------------------------------------------------------------------------------

@test "a soak: memory and descriptors stay as they are" {
    driver soak --seconds "$(long 10 3600)"
}
