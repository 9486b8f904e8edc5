#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: alone
#
# User c makes a worker hang: a process of c's maps a library from a FUSE mount of c's own, which
# never answers (fuse-hang). That costs the others nothing but c's processes.
#
# Not to be run beside other suites: all servers on the machine look at c's processes.

load lib/session-with-users

export PROBEFS_PATIENCE=1

setup() {
    session_begin
    start_server
    start_as b demo-ocaml_1 -q
    b=$pid
    start demo-ocaml_1 -q
    mine=$pid
}

teardown() {
    # First what hangs: c's filesystem, whose end frees whoever waits for it.
    if [ "${hang:-}" ]; then
        stop "$hang"
        umount -l "$work/hang" || true
    fi
    session_end
}

# start_filesystem [USER]: c's, or another user's. Sets: hang (fuse-hang's pid), hang_out.
start_filesystem() {
    local user=${1:-c} name
    name=$(user_name "$user")
    mkdir "$work/hang"
    target libplug.so > /dev/null
    cp "$build/tests/fuse-hang/fuse-hang" "$work/bin"
    # What fusermount3 does for a user; by hand, as not every machine opens /dev/fuse to all.
    exec 8<> /dev/fuse
    mount -i -t fuse.hang -o "fd=8,rootmode=40000,user_id=$(id -u "$name")" \
        -o "group_id=$(id -g "$name"),nosuid,nodev" fuse-hang "$work/hang"
    start_command "$user" "$work/bin/fuse-hang" "$work/bin/libplug.so" /dev/fd/8
    exec 8<&-
    hang=$pid
    hang_out=$out
    wait_until 'grep -q ^pid "$hang_out"'
}

# c's program with a library from it. Sets: c.
start_hostile() {
    start_filesystem
    start_as c host -q -i "$1" -l "$work/hang/file"
    c=$pid
    wait_until 'grep -q ^loaded "$out"'
}

fall_silent() {
    kill -USR1 "$hang"
    wait_until 'grep -q ^silent "$hang_out"'
}

# quick SECONDS COMMAND...: the command succeeds within that time.
quick() {
    local REPLY before after status=0
    patience $(($1 * 1000000))
    shift
    before=${EPOCHREALTIME/./}
    timeout "$(patient 20)" "$@" || status=$?
    after=${EPOCHREALTIME/./}
    [ $((after - before)) -lt "$REPLY" ] ||
        { echo "took $((after - before)) us, more than $REPLY: $*"; return 1; }
    return $status
}

# others_work_quickly [SECONDS]: each of the things that they do takes no longer.
others_work_quickly() {
    local limit=${1:-2}
    quick "$limit" ls "$mnt" > "$work/listing"
    grep -qx "$mine" "$work/listing"
    grep -qx "$b" "$work/listing"
    as b
    quick "$limit" "${as[@]}" ls "$mnt" > "$work/listing"
    grep -qx "$b" "$work/listing"
    for value in 1 0; do
        quick "$limit" "${as[@]}" tee "$mnt/$b/gc_start/enabled" <<< $value > /dev/null
        assert_equal "$(state_of "$b" gc_start)" $value
        quick "$limit" tee "$mnt/$mine/gc_start/enabled" <<< $value > /dev/null
        assert_equal "$(state_of "$mine" gc_start)" $value
    done
}

@test "as long as c's filesystem answers, c's library has probes like any other" {
    start_hostile 20
    assert_equal "$(run_as c ls "$mnt/$c" | grep -c plug_hit)" 1
    assert_errno_as c OK write "$mnt/$c/plug_hit/enabled" 1
    others_work_quickly
}

@test "it falls silent after the server has looked" {
    start_hostile 100000
    ls "$mnt" "$mnt/$c" > /dev/null
    fall_silent
    others_work_quickly
    assert_errno_as c ETIMEDOUT write "$mnt/$c/plug_hit/enabled" 1
    others_work_quickly
    assert_errno ETIMEDOUT write "$mnt/$c/plug_hit/enabled" 1
    others_work_quickly
}

@test "it is silent before the server looks for the first time" {
    start_hostile 100000
    fall_silent
    others_work_quickly
    assert_match "$(run_as c timeout "$(patient 10)" "$work/errno-of" read \
        "$mnt/$c/gc_start/enabled")" '@(ETIMEDOUT|ENOENT|OK)'
    # An object that does not come is no object that takes long.
    wait_until 'grep -q "was ended: something .* does not answer" "$log"'
    others_work_quickly
}

@test "its program runs into the silence itself" {
    start_hostile 10
    ls "$mnt/$c" > /dev/null
    fall_silent
    others_work_quickly
    for _ in 1 2 3 4 5 6; do
        assert_match "$(errno_of write "$mnt/$c/plug_hit/enabled" 1)" '@(ETIMEDOUT|ENOENT)'
    done
    others_work_quickly
}

@test "many callers at once get stuck on c, and the others do not" {
    start_hostile 100000
    ls "$mnt/$c" > /dev/null
    fall_silent
    for _ in {1..80}; do
        timeout "$(patient 20)" cat "$mnt/$c/plug_hit/enabled" > /dev/null 2>&1 3>&- &
        callers+=($!)
    done
    others_work_quickly
    wait "${callers[@]}" || true
    others_work_quickly
}

# Each of them waits for all before it: the server makes one open of a hold after the other.
@test "more callers get stuck on c than the server has threads, and the others do not" {
    start_hostile 100000
    ls "$mnt/$c" > /dev/null
    fall_silent
    cp "$BATS_TEST_DIRNAME/lib/crowd.py" "$work/bin"
    start_command c python3 "$work/bin/crowd.py" "$mnt/$c/plug_hit/hold" 700
    wait_until 'grep -q ^crowded "$out"'
    wait_until '[ "$(ls "/proc/$server/task" | wc -l)" -gt 60 ]'
    others_work_quickly 10
    assert_equal "$(grep "a worker cannot start a thread" "$log")" ""
}

@test "hundreds of c's holds that are closed while c stops its workers take no thread each" {
    start_as c demo-ocaml_1 -q
    cp "$BATS_TEST_DIRNAME/lib/hoard.py" "$work/bin"
    start_command c python3 "$work/bin/hoard.py" "$mnt/$pid/gc_start/hold" 300
    wait_until 'grep -q ^closed "$out"'
    others_work_quickly 10
    [ "$(ls "/proc/$server/task" | wc -l)" -lt 200 ]
}

# COUNT holds on a process of c's which hangs by now, and who holds them. Sets: c, probe, holder,
# holder_out.
start_hanging_holds() {
    start_filesystem
    cp "$tests"/targets/{hostile.py,elffile.py,opcodes.h} "$tests/lib/hoard.py" "$work/bin"
    start_command c /usr/bin/python3 -B "$work/bin/hostile.py" forget "$work/hang/file"
    c=$pid c_out=$out
    wait_until 'grep -q ^pid "$c_out"'
    probe=$mnt/$c/plug_hit
    exec 9< "$probe/enabled"
    start_command c python3 "$work/bin/hoard.py" "$probe/hold" "$1" wait
    holder=$pid holder_out=$out
    wait_until 'grep -q ^held "$holder_out"'
    assert_equal "$(cat "$probe/hold")" "$1"
    fall_silent
    kill -USR1 "$c"
    wait_until 'grep -q ^forgotten "$c_out"'
}

# All of it waits for what was closed before; twenty closes take twenty seconds.
@test "looks at c's process whose holds cannot be released end all the same" {
    local look
    start_hanging_holds 20
    kill -USR1 "$holder"
    wait_until 'grep -q ^closed "$holder_out"'
    for look in "read @9" "read $probe/enabled" "read $probe/hold" "write $probe/enabled 1" \
        "list $probe"; do
        # shellcheck disable=SC2086
        assert_equal "$(quick 4 "$work/errno-of" $look)" ETIMEDOUT "$look"
    done
    exec 9<&-
    others_work_quickly
}

# One after the other, they would take longer than the server waits for anything at its end.
@test "the server ends as always while c's holds cannot be released" {
    local status=0
    start_hanging_holds 20
    exec 9<&-
    kill -USR1 "$holder"
    wait_until 'grep -q ^closed "$holder_out"'
    quick 2 umount "$mnt"
    wait_until "! is_running $server"
    wait "$server" || status=$?
    assert_equal $status 0
}

@test "a process of root's that hangs costs root's worker, not the server" {
    start_filesystem root
    start host -q -i 100000 -l "$work/hang/file"
    wait_until 'grep -q ^loaded "$out"'
    ls "$mnt/$pid" > /dev/null
    fall_silent
    assert_errno ETIMEDOUT read "$mnt/$pid/plug_hit/enabled"
    others_work_quickly
    assert_equal "$(state_of "$mine" boot)" 1 "another process of root's"
    # No thread of the server is in process_vm_readv(), which does not return.
    run ! grep -q "^310 " "/proc/$server"/task/*/syscall
    kill -TERM "$server"
    wait_until "! is_running $server"
    wait "$server" # with success
}

@test "when c's filesystem has ended, c's other processes work again" {
    start_hostile 100000
    ls "$mnt/$c" > /dev/null
    fall_silent
    assert_errno ETIMEDOUT write "$mnt/$c/plug_hit/enabled" 1
    stop "$hang"
    stop "$c"
    start_as c demo-ocaml_1 -q
    wait_until '[ "$(errno_of write "$mnt/$pid/gc_start/enabled" 1)" = OK ]' 5
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
}

@test "the server can be unmounted while a worker hangs" {
    start_hostile 100000
    ls "$mnt/$c" > /dev/null
    fall_silent
    errno_of write "$mnt/$c/plug_hit/enabled" 1
    quick 5 umount "$mnt"
    wait_until "! is_running $server" 5
}

# Objects that no service has read yet, of two reads and 0.2 s each: in all, more than one scan has.
@test "programs that are slow to read are listed all the same, and end no worker" {
    start_filesystem
    many=()
    for i in {1..4}; do
        start_as c host -q -i 100000 -l "$work/hang/file$i"
        wait_until 'grep -q ^loaded "$out"'
        many+=("$pid")
    done
    kill -USR2 "$hang"
    wait_until 'grep -q ^slow "$hang_out"'
    ls "$mnt" > "$work/listing"
    for pid in "${many[@]}"; do
        grep -qx "$pid" "$work/listing"
    done
    worker=$(workers_of "$server" c)
    assert_equal "$(wc -w <<< "$worker")" 1 "workers"
    for i in 1 2; do # each waits for what the worker still reads
        ls "$mnt" > /dev/null
    done
    assert_equal "$(run_as c cat "$mnt/$pid/plug_hit/enabled")" 0
    assert_equal "$(workers_of "$server" c)" "$worker"
}

@test "processes of many users: all are listed, and the workers of those who ask no more end soon" {
    for uid in {200001..200130}; do
        setpriv --reuid "$uid" --regid "$uid" --clear-groups sleep 1000 3>&- &
        adopt $!
    done
    start_as b demo-ocaml_1 -q
    # A listing takes a second at most, in which a slow machine does not start as many workers.
    wait_until 'ls "$mnt" > "$work/listing"; [ "$(workers_of "$server" | wc -l)" -gt 64 ]'
    grep -qx "$pid" "$work/listing"
    grep -qx "$mine" "$work/listing"
    wait_until '[ "$(workers_of "$server" | wc -l)" -le 64 ]'
    assert_equal "$(run_as b cat "$mnt/$pid/gc_start/enabled")" 0
    assert_equal "$(grep -c 'cannot start a worker' "$log")" 0
}
