# SPDX-License-Identifier: MIT
# runs: once
#
# The server under valgrind's memcheck, where it has no worker: one starts through /proc/self/exe,
# which is valgrind's own program then. What workers do, memcheck sees in the unit test `service`. If
# memcheck finds something, the server does not end with success, and its log says what.

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

@test "memcheck finds nothing in a server that gets no worker" {
    start_server
    start demo-ocaml_1 -q
    # What nobody could ask is listed by name.
    ls "$mnt" | grep -qx "$pid"
    grep -q probes "$mnt/README"
    readlink "$mnt/self"
    stat "$mnt" "$mnt/README" >/dev/null
    # A new one each time: what is known of the last is not asked again.
    for _ in 1 2 3; do
        start demo-ocaml_1 -q
        assert_errno EIO read "$mnt/$pid/enabled"
        assert_errno EIO write "$mnt/$pid/control" "1 *\n"
        stop "$pid"
    done
    assert_errno ENOENT read "$mnt/nosuch"
    assert_errno EACCES write "$mnt/README" 1
    run mkdir "$mnt/new"
    assert_equal "$status" 1
    run rm "$mnt/README"
    assert_equal "$status" 1
}
