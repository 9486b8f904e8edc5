#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# Live processes that map objects made to hurt whoever reads them. (Notes and sections that
# contradict the format, loaded by dlopen, are in objects.bats; a file that never answers in
# hostile.bats.)

load lib/session-with-users

setup() {
    session_begin
    start_server
    # Somebody's, who has nothing to do with it.
    start_as b demo-ocaml_1 -q
    others=$pid
}

# hostile USER ACTION WORD...: see hostile.py. Sets: pid, out.
hostile() {
    local user=$1
    shift
    cp "$tests"/targets/{hostile.py,elffile.py,opcodes.h} "$work/bin"
    start_command "$user" /usr/bin/python3 -B "$work/bin/hostile.py" "$@"
    wait_until 'grep -q ^pid "$out"'
}

# The probes of $pid, but for those that its python3 has.
others_than_pythons() {
    probes_of "$pid" | tr ' ' '\n' | grep -v ^python: | paste -sd' '
}

# forged CASE...: makes objects in a folder of user a's.
forged() {
    local each
    mkdir -p "$work/forged"
    for each in "$@"; do
        python3 "$tests/targets/forge.py" "$each" "$(target libplug.so)" "$work/forged/$each.so"
    done
    chown -R "$(user_name a)" "$work/forged"
}

others_work() {
    is_running "$server"
    for value in 1 0; do
        run_as b tee "$mnt/$others/gc_start/enabled" <<< $value > /dev/null
        assert_equal "$(run_as b cat "$mnt/$others/gc_start/enabled")" $value
    done
    ls "$mnt" > "$work/listing"
    grep -qx "$others" "$work/listing"
}

# resident PID: in MiB
resident() {
    echo $(($(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status") / 1024))
}

@test "sites and semaphores that reach into another object, or the stack, are not written to" {
    mkdir "$work/reach"
    chown "$(user_name a)" "$work/reach"
    hostile a reach "$work/reach"
    assert_equal "$(others_than_pythons)" "on_stack other_code other_data own"
    while read -r name site semaphore; do
        before=$(peek "$pid" bytes "$site" 6)$(peek "$pid" bytes "$semaphore" 2)
        if [ "$name" = own ]; then
            assert_errno_as a OK write "$mnt/$pid/own/enabled" 1
            assert_equal "$(peek "$pid" words "$site" 6)" "nop on 00 00 00 00"
            assert_errno OK write "$mnt/$pid/own/enabled" 0
        else
            assert_errno_as a EACCES write "$mnt/$pid/$name/enabled" 1
            assert_errno EACCES write "$mnt/$pid/$name/enabled" 1
            assert_errno EACCES write "$mnt/$pid/$name/semaphore" 7
            assert_errno EACCES open-write "$mnt/$pid/$name/hold"
        fi
        assert_equal "$(peek "$pid" bytes "$site" 6)$(peek "$pid" bytes "$semaphore" 2)" "$before" \
            "memory at $name"
    done < <(grep -v ^pid "$out")
    assert_errno EACCES write "$mnt/$pid/enabled" 1
    grep -q 'lies in another object' "$mnt/$pid/error_log"
    grep -q 'lies on the stack' "$mnt/$pid/error_log"
    others_work
}

@test "a million notes: its user's worker reads them, or is given up" {
    NOTES=1000000 forged many-notes
    before=$(resident "$server")
    start_as a host -q -i 1000 -l "$work/forged/many-notes.so"
    wait_until 'grep -q ^loaded "$out"'
    for _ in 1 2 3; do
        assert_match "$(errno_of write "$mnt/$pid/gc_start/enabled" 1)" '@(OK|ETIMEDOUT|ENOENT)'
        others_work
    done
    is_sanitized || [ "$(resident "$server")" -lt $((before + 64)) ]
}

@test "names with every byte: each probe is there, under a name of its own, and works" {
    forged names-of-every-byte
    start_as a host -q -i 1000 -l "$work/forged/names-of-every-byte.so"
    wait_until 'grep -q ^loaded "$out"'
    python3 - "$mnt/$pid" << 'EOF'
import os, sys
os.chdir(sys.argv[1])
names = [n for n in os.listdir() if os.path.isdir(n)]
# Two of each byte; gc_start and plug_hit.
assert len(names) == len(set(names)) == 2 * 255 + 2, len(names)
for name in names:
    assert name.isascii() and name.isprintable(), name
    with open(name + "/enabled") as file:
        assert file.read() == "0\n", name
EOF
    others_work
}

@test "a file that is cut and rewritten while it is read" {
    forged arguments-long descsz-overflow site-twice empty-name
    hostile a rewrite "$work/forged/site-twice.so" "$work/forged/arguments-long.so"
    first=$pid
    hostile a rewrite "$work/forged/empty-name.so" "$work/forged/descsz-overflow.so"
    for _ in {1..60}; do
        ls "$mnt" > /dev/null
        for each in "$first" "$pid"; do
            cat "$mnt/$each/enabled" "$mnt/$each/info" > /dev/null 2>&1 || true
            errno_of write "$mnt/$each/enabled" 1 > /dev/null
        done
    done
    is_running "$first"
    is_running "$pid"
    others_work
}

@test "a FIFO, a directory or a device in the place of the file" {
    target libplug.so > /dev/null
    start_as a host -q -i 1000 -l "$work/bin/libplug.so"
    wait_until 'grep -q ^loaded "$out"'
    first=$pid
    rm "$work/bin/libplug.so" "$work/bin/host"
    mkfifo "$work/bin/libplug.so"
    mkdir "$work/bin/host"
    assert_equal "$(probes_of "$first")" "gc_start plug_hit"
    assert_errno OK write "$mnt/$first/enabled" 1
    # What root opens by its path.
    start_as a undumpable -q
    rm "$work/bin/undumpable"
    mkfifo "$work/bin/undumpable"
    timeout "$(patient 10)" cat "$mnt/$pid/enabled" > /dev/null
    hostile a map /dev/zero /dev/full "$work/forged" /etc/passwd
    timeout "$(patient 10)" ls "$mnt" > /dev/null
    assert_equal "$(others_than_pythons)" ""
    others_work
}

@test "objects without end: what is known of them does not grow without bound" {
    forged names-of-every-byte
    ls "$mnt" > /dev/null
    sizes=$(python3 "$tests/lib/flood.py" "$work/forged/names-of-every-byte.so" "$work" "$server" "$mnt")
    read -r first _ last <<< "$sizes"
    is_sanitized || [ "$last" -le $((first + 24)) ] || { echo "MiB: $sizes"; false; }
    others_work
}
