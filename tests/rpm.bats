#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: once
#
# The RPM packages: built by Debian's rpmbuild from a copy of the checkout, looked at, and unpacked
# and used in a copy of the running system.

load lib/session
load lib/chroot

teardown() {
    chroot_end
    session_end
}

# build_packages: in $work/RPMS. Nothing of this system is known to rpm: it cannot ask for what is
# needed. Quickly: optimizing is not what is tested here.
build_packages() {
    local top=$tests/.. version
    version=$(sed -n 's/^Version: *//p' "$top/packaging/probefs.spec")
    tar -C "$top" --exclude './build*' --exclude ./.git --transform "s,^\.,probefs-$version," \
        -cf "$work/probefs-$version.tar.gz" --gzip .
    # HOME: where rpm would look for somebody's own macros.
    HOME=$work rpmbuild -bb --nodeps --define "_topdir $work" --define "_sourcedir $work" \
        --define 'optflags -O0' --define 'debug_package %{nil}' "$top/packaging/probefs.spec" \
        >"$work/out/rpmbuild" 2>&1 3>&-
}

# rpm_of NAME: the package's file.
rpm_of() {
    echo "$work"/RPMS/*/"$1"-[0-9]*.rpm
}

# query NAME ARGUMENT...
query() {
    HOME=$work rpm -qp "${@:2}" "$(rpm_of "$1")"
}

@test "rpmbuild makes packages of this version, with all that belongs to each, and they work" {
    build_packages
    assert_equal "$(query probefs --qf '%{VERSION}')" "$("$build/probefs/probefs" --version | cut -d' ' -f2)"
    # Some rpms compress manuals.
    query probefs -l | sed 's/\.gz$//' >"$work/files"
    for file in /usr/sbin/probefs /usr/sbin/mount.probefs /usr/bin/probe-run /usr/bin/probe-top \
        /usr/lib/systemd/system/probefs.service /usr/share/man/man5/probefs.5 \
        /usr/share/bash-completion/completions/mount.probefs /usr/share/zsh/site-functions/_probefs; do
        grep -qx "$file" "$work/files" || { echo "$file is missing"; return 1; }
    done
    query libprobe-engine --provides | grep -q '^libprobe-engine\.so\.1()'
    query libprobe-engine --requires | grep -q '^libbpf\.so'
    query libprobe-engine-devel --requires | grep -q '^pkgconfig(libelf)'
    # What is in the main package needs no library of ours.
    run bash -c "HOME=$work rpm -qp --requires '$(rpm_of probefs)' | grep libprobe"
    assert_equal "$output" ""

    chroot_begin
    for name in probefs libprobe-engine libprobe-engine-devel; do
        rpm2cpio "$(rpm_of "$name")" | in_chroot cpio --quiet -idm -D /
    done
    start demo-ocaml_1 -q
    in_chroot mkdir -p /mnt/probes
    in_chroot mount -t probefs probefs /mnt/probes 3>&-
    in_chroot sh -c "echo 1 > /mnt/probes/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    in_chroot umount /mnt/probes

    # The last version's removal stops the server; an upgrade leaves it alone.
    in_chroot mkdir -p /run/systemd/system
    printf '#!/bin/sh\necho "$*" >>/systemctl.log\n' | in_chroot tee /usr/local/bin/systemctl >/dev/null
    in_chroot chmod +x /usr/local/bin/systemctl
    for left in 1 0; do
        query probefs --qf '%{PREUN}' | in_chroot sh -s "$left"
    done
    assert_equal "$(in_chroot cat /systemctl.log)" \
        "--no-reload disable --now probefs.service mnt-probes.mount"
}
