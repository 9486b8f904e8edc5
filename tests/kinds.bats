#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Processes of unusual kinds, and a process that changes its own probes.

load lib/session-with-users

setup() {
    session_begin
    start_server
}

# is_not_shown PID: neither listed nor there, in a listing that shows others.
is_not_shown() {
    local shown
    shown=$(ls "$mnt")
    grep -qx README <<< "$shown"
    assert_equal "$(grep -cx "$1" <<< "$shown" || true)" 0
    assert_no_directory "$1"
    assert_errno ENOENT open-write "$mnt/$1/enabled"
}

@test "a kernel thread, and the first process, are no targets" {
    is_not_shown 2
    is_not_shown 1
}

@test "a 32-bit program with notes is not listed, and error_log by path says why" {
    # It waits in pause(), and would have a probe by its notes.
    cat > "$work/small.s" <<'END'
.globl _start
_start:
site:   nop
        .byte 0x3d
        .long 0
wait:   mov $29, %eax
        int $0x80
        jmp wait
.section .probes, "aw", @progbits
semaphore: .long 0
.section .note.stapsdt, "", @note
        .balign 4
        .long 8, 992f - 991f, 3
        .asciz "stapsdt"
991:    .long site, 0, semaphore
        .asciz "ocaml_1", "small", ""
992:    .balign 4
END
    command as --32 -o "$work/small.o" "$work/small.s"
    ld -m elf_i386 -o "$work/bin/small" "$work/small.o"
    start_command root "$work/bin/small"
    wait_until '[ "$(readlink "/proc/$pid/exe")" = "$work/bin/small" ]'
    assert_equal "$(ls "$mnt" | grep -cx "$pid" || true)" 0
    assert_match "$(cat "$mnt/$pid/error_log")" "*is a program of 32 bits*"
    assert_equal "$(probes_of "$pid")" ""
    assert_errno ENOENT write "$mnt/$pid/small/enabled" 1
}

# What begins in a mount namespace of its own: without the mounts of probefs, the copies of which
# would keep their servers running.
leave='for each in $(findmnt -rn -t fuse.probefs -o TARGET); do umount -l "$each"; done;'

# start_overlaid USER PROGRAM [ARGUMENT]...: from an overlay of the directory of programs, which is
# only in the process's own mount namespace.
start_overlaid() {
    local user program
    user=$(user_name "$1") program=$2
    target "$2" > /dev/null
    target libplug.so > /dev/null
    shift 2
    start_command root unshare --mount --propagation private sh -c "$leave"'
        mount -t tmpfs none /mnt && chmod 755 /mnt && mkdir /mnt/upper /mnt/work /mnt/all &&
        mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" none /mnt/all &&
        user=$2 && shift 2 && exec setpriv --reuid "$user" --regid "$user" --init-groups "$@"' \
        sh "$work/bin" "$user" "/mnt/all/$program" "$@"
    wait_until 'grep -q ^pid "$out" || ! is_running "$pid"'
}

@test "overlayfs: a program and a library, root's and a user's" {
    for user in root a; do
        start_overlaid $user host -i 20 -l /mnt/all/libplug.so
        wait_until 'grep -q ^loaded "$out"'
        assert_equal "$(probes_of "$pid")" "gc_start plug_hit"
        assert_match "$(readlink "$mnt/$pid/exe")" "*/host"
        echo 1 > "$mnt/$pid/enabled"
        says '^gc_start'
        says '^plug plug_hit'
        assert_equal "$(memory_of "$pid" plug_hit)" "1 on"
    done
}

@test "overlayfs: a file that is copied up, or replaced, while it is mapped stays the one that is mapped" {
    start_overlaid root demo-ocaml_1 -i 20
    nsenter --mount --target "$pid" touch /mnt/all/demo-ocaml_1
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    nsenter --mount --target "$pid" sh -c '
        cp /bin/true /mnt/all/new && mv /mnt/all/new /mnt/all/demo-ocaml_1'
    stop_server "$server" "$mnt"
    start_server
    echo 1 > "$mnt/$pid/idle/enabled"
    says '^idle'
}

@test "overlayfs: a process that is not dumpable, for root, who knows it by its path" {
    start_overlaid a undumpable -i 20
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
}

@test "a program in a memfd" {
    cat > "$work/exec.py" <<'END'
import os, sys
fd = os.memfd_create("program")
os.write(fd, open(sys.argv[1], "rb").read())
os.execve(fd, ["program", "-i", "20"], os.environ)
END
    for user in root a; do
        start_command "$user" /usr/bin/python3 "$work/exec.py" "$(target demo-ocaml_1)"
        wait_until 'grep -q ^pid "$out"'
        assert_match "$(readlink "$mnt/$pid/exe")" "*memfd:program*"
        echo 1 > "$mnt/$pid/gc_start/enabled"
        says '^gc_start'
        grep -q memfd "$mnt/$pid/gc_start/sites"
    done
}

@test "a container: other pid and mount namespaces, and a root of its own" {
    start_command root unshare --pid --mount --fork --kill-child --propagation private sh -c "$leave"'
        mount -t tmpfs none /mnt && mkdir /mnt/lib /mnt/lib64 /mnt/usr /mnt/bin /mnt/proc &&
        mount --rbind /usr /mnt/usr &&
        for each in lib lib64; do mount --rbind "/$each" "/mnt/$each"; done &&
        mount -t proc proc /mnt/proc && cp "$1" "$2" /mnt/bin &&
        exec chroot /mnt /bin/host -i 20 -l /bin/libplug.so' \
        sh "$(target host)" "$(target libplug.so)"
    wait_until 'grep -q ^loaded "$out"'
    assert_match "$(head -n 1 "$out")" "pid 1"
    inner=$(pgrep -P "$pid")
    assert_equal "$(probes_of "$inner")" "gc_start plug_hit"
    echo 1 > "$mnt/$inner/plug_hit/enabled"
    says '^plug plug_hit'
    assert_equal "$(readlink "$mnt/$inner/exe")" "$(readlink "/proc/$inner/exe")"
}

# ---- libraries that come and go ----

@test "an address that belonged to a closed library is never written" {
    for options in "" "-o engine=ptrace"; do
        # shellcheck disable=SC2086
        [ -z "$options" ] || { stop_server "$server" "$mnt"; start_server $options; }
        start_command root /usr/bin/python3 "$tests/lib/reuse.py" "$(target libplug.so)"
        wait_until 'grep -q ^pid "$out"'
        echo +1 > "$mnt/$pid/plug_hit/semaphore"
        site=$(site_of "$pid" plug_hit) counter=$(counter_of "$pid" plug_hit)
        exec 5<> "$mnt/$pid/plug_hit/enabled" 6<> "$mnt/$pid/plug_hit/semaphore"
        exec 8> "$mnt/$pid/control" 9> "$mnt/$pid/plug_hit/hold"
        assert_equal "$(memory_of "$pid" plug_hit)" "2 on"
        tell USR1 '^reused'
        for value in 0 1; do
            assert_match "$(errno_of write @5 $value)" "@(ENOENT|ESRCH)"
            assert_match "$(errno_of write @6 +$value)" "@(ENOENT|ESRCH|EINVAL)"
            assert_errno ENOENT write @8 "$value plug_hit\n"
        done
        exec 5>&- 6>&- 8>&- 9>&-
        # A look that comes behind the hold's end.
        assert_equal "$(grep -c plug_hit "$mnt/$pid/info" || true)" 0
        assert_equal "$(peek "$pid" words "$site" 2)" "nop on"
        assert_equal "$(peek "$pid" bytes "$counter" 2)" 0200
    done
}

@test "libraries that come and go in the middle of updates" {
    start host -i 1 -q "$(target libplug.so)"
    python3 "$tests/lib/again.py" "$mnt/$pid/control" 0 '{s} *\n' > "$work/again" 2>&1 3>&- &
    writer=$!
    adopt "$writer"
    for _ in {1..40}; do
        tell USR1 '^loaded'
        tell USR2 '^unloaded'
    done
    kill -TERM "$writer"
    wait "$writer"
    assert_match "$(cat "$work/again")" "OK +([0-9])*"
    # What may come of one that meets the end of a library: it fails, and nothing is half done.
    assert_equal "$(tr ' ' '\n' < "$work/again" | grep '[A-Z]' |
        grep -vx -e OK -e EFAULT -e EIO -e EACCES -e ENOEXEC || true)" ""
    tell USR1 '^loaded'
    echo 0 > "$mnt/$pid/enabled"
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(memory_of_all "$pid")" "1 on"
}

# ---- self ----

@test "a process that changes its own probes, alone and while other threads pass the sites" {
    run -0 "$(target own)" 0 "${PROBEFS_SELF:-500}"
    assert_match "$output" "*wrong 0 permissions same refused same"
    run -0 "$(target own)" 4 "${PROBEFS_SELF:-500}"
    assert_match "$output" "*wrong 0 permissions same refused same"
    [ "$(sed -n 's/.* hits \([0-9]*\).*/\1/p' <<< "$output")" -gt 0 ]
    [ "$(sed -n 's/.* misses \([0-9]*\).*/\1/p' <<< "$output")" -gt 0 ]
}
