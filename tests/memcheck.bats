# SPDX-License-Identifier: MIT
# runs: once
#
# The server under valgrind's memcheck, at what it does for root's processes. Its workers cannot be:
# a worker starts through /proc/self/exe, which is valgrind's own program then. Where memcheck finds
# something, the server does not end with success, and its log says what.

load lib/session

setup() {
    session_begin
    # Where start_server takes the program from.
    mkdir "$work/bin/plain"
    cp "$build/probefs/probefs" "$work/bin/plain/probefs"
    cat >"$work/bin/probefs" <<END
#!/bin/sh
exec valgrind --quiet --error-exitcode=99 --leak-check=full \\
    --errors-for-leak-kinds=definite,indirect "$work/bin/plain/probefs" "\$@"
END
    chmod 755 "$work/bin/probefs"
}

# What users do with the processes of root's. That there is no worker (with some versions of valgrind,
# as a system call is missing) costs only what needs one.
use_all() {
    start demo-ocaml_1 -q
    ocaml=$pid
    assert_errno EIO read "$mnt/$ocaml/gc_start/hold"
    start sdt -q
    sdt=$pid
    # Other processes come and go in the mount's own listing.
    ls "$mnt" | grep -qx "$sdt"
    ls -lR "$mnt/$ocaml" "$mnt/$sdt" >"$work/listing"
    grep -q "gc_start" "$work/listing"
    echo 1 >"$mnt/$ocaml/gc_start/enabled"
    assert_equal "$(memory_of "$ocaml" gc_start)" "1 on"
    echo +1 >"$mnt/$ocaml/gc_start/semaphore"
    printf '0 gc_*\n+1 ~^idle$\n# nothing\n' >"$mnt/$ocaml/control"
    echo 1 >"$mnt/$sdt/enabled"
    assert_equal "$(cat "$mnt/$sdt/enabled")" 1
    grep -r --exclude=hold . "$mnt/$ocaml" "$mnt/$sdt" >"$work/listing"
    assert_errno EINVAL write "$mnt/$ocaml/enabled" 2
    assert_errno ENOENT write "$mnt/$ocaml/control" "1 nosuch\n"
    grep -q "'nosuch'" "$mnt/$ocaml/error_log"
    exec 5<"$mnt/$sdt/info"
    stop "$sdt"
    assert_errno ESRCH read @5
    exec 5<&-
    echo 0 >"$mnt/$ocaml/enabled"
}

@test "memcheck finds nothing in the server (engine=vm)" {
    start_server
    use_all
}

@test "memcheck finds nothing in the server (engine=ptrace)" {
    start_server -o engine=ptrace
    use_all
}
