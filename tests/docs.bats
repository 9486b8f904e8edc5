#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: once first
#
# The sessions in README and in pages of doc/ go as they are written. They are run in a copy of the
# system, where probefs is installed, in a pid namespace of their own: its only processes with
# probes are the three that are told of.

load lib/session
load lib/chroot

setup() {
    session_begin
    chroot_begin
    DESTDIR=$work/dest meson install -C "$build" --no-rebuild --quiet
    tar -C "$work/dest" -cf - . | in_chroot tar -C / --keep-directory-symlink -xf -
    cp "$targets/demo-ocaml_1" "$work/server"
    cp "$targets/sdt" "$work/web"
    tar -C "$work" -cf - server web | in_chroot tar -C /usr/local/bin -xf -
    in_chroot tee /tmp/collect.py >/dev/null <<'END'
import gc, time
print("pid", flush=True)
while True:
    gc.collect()
    time.sleep(0.1)
END
    in_chroot tee /tmp/sessions.py >/dev/null <"$tests/lib/sessions.py"
}

teardown() {
    # What a guide that failed left in the kernel, which keeps the copy of the system. No other test may
    # do it: a kernel whose event of several sites is deleted while perf records it kills the program.
    if [ "${makes_events:-}" ] && grep -qs '/query.* /usr/local/bin/web:' /sys/kernel/tracing/uprobe_events; then
        in_chroot perf probe -q -d 'sdt_web:query*'
    fi
    [ ! "${watched:-}" ] || in_chroot umount -l /mnt/probes
    chroot_end
    session_end
}

# goes_as_written PAGE: with a home of its own, as perf keeps what it knows of programs there.
goes_as_written() {
    in_chroot tee /tmp/page.md >/dev/null <"$1"
    in_chroot env HOME=/tmp LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        timeout "$(patient 240)" python3 /tmp/sessions.py /tmp/page.md \
        '5239=/usr/local/bin/server -q' '5240=/usr/local/bin/web' \
        '5241=/usr/bin/python3 /tmp/collect.py' 3>&-
}

@test "the sessions of README" {
    goes_as_written "$tests/../README.md"
}

@test "the sessions of the user's guide" {
    makes_events=1
    goes_as_written "$tests/../doc/GUIDE.md"
}

@test "the sessions of the page for OCaml users" {
    goes_as_written "$tests/../doc/OCAML.md"
}

@test "the sessions of the page for authors of programs" {
    goes_as_written "$tests/../doc/AUTHORS.md"
}

build_thrower() {
    "${CXX:-g++}" -x c++ -o "$work/thrower" - <<'END'
#include <cstdio>
#include <unistd.h>
int main()
{
    for (puts("pid"), fflush(stdout);; usleep(100000))
        try { throw 1; } catch (int) { }
}
END
    in_chroot tee /tmp/thrower >/dev/null <"$work/thrower"
    in_chroot chmod 755 /tmp/thrower
}

# watching_goes_as_written PAGE: as a user who has no other processes, not even in another test, and
# who sees no others' either.
watching_goes_as_written() {
    in_chroot tee /tmp/page.md >/dev/null <"$1"
    build_thrower
    in_chroot chmod 1777 /tmp
    in_chroot mkdir -p /mnt/probes
    in_chroot probefs -o trace=users,all /mnt/probes 3>&-
    watched=1
    # shellcheck disable=SC2016 # that shell's
    in_chroot setpriv --reuid 64242 --regid 64242 --clear-groups \
        env LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        timeout "$(patient 120)" sh -c 'cd /mnt/probes && exec "$@"' sh \
        python3 -B /tmp/sessions.py --watch /tmp/page.md '5241=/usr/bin/python3 /tmp/collect.py' \
        '5242=/tmp/thrower' 3>&-
}

@test "README watches a probe as it is written" {
    watching_goes_as_written "$tests/../README.md"
}

@test "the user's guide watches probes as it is written" {
    watching_goes_as_written "$tests/../doc/GUIDE.md"
}
