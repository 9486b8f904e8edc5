#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: once
#
# Debian's packages: built from a copy of the checkout, looked at, installed and removed in a copy
# of the running system.

load lib/session
load lib/chroot

setup_file() {
    export packages=$BATS_FILE_TMPDIR
    export BATS_NO_PARALLELIZE_WITHIN_FILE=true
    mkdir "$packages/probefs"
    tar -C "$BATS_TEST_DIRNAME/.." --exclude './build*' --exclude ./.git -cf - . |
        tar -C "$packages/probefs" -xf -
    # A symbol that the symbols file does not list is an error here.
    (cd "$packages/probefs" &&
        DEB_BUILD_OPTIONS=nocheck DPKG_GENSYMBOLS_CHECK_LEVEL=4 DEB_CFLAGS_APPEND=-Werror \
            dpkg-buildpackage -us -uc -b >"$packages/log" 2>&1) || { cat "$packages/log"; return 1; }
}

teardown() {
    chroot_end
    session_end
}

# package NAME: the file
package() {
    echo "$packages/$1"_*_amd64.deb
}

# The next version of a package: the same files. Sets nothing; makes NAME_next.deb.
make_next() {
    local dir=$work/next-$1
    dpkg-deb -R "$(package "$1")" "$dir"
    sed -i 's/^Version: .*/&+next/; s/\((= 0[^)]*\))/\1+next)/' "$dir/DEBIAN/control"
    dpkg-deb -b --root-owner-group -Znone "$dir" "$work/$1_next.deb"
}

# install_packages FILE...: in the chroot. What they depend on is there, as it was needed to build.
install_packages() {
    local file names=()
    for file in "$@"; do
        in_chroot tee "/tmp/$(basename "$file")" >/dev/null <"$file"
        names+=("/tmp/$(basename "$file")")
    done
    in_chroot dpkg --force-unsafe-io -i "${names[@]}"
}

all_packages() {
    package probefs
    package libprobe-engine0
    package libprobe-engine-dev
}

@test "they are built with hardening, and lintian has nothing to say" {
    run -0 lintian --allow-root --fail-on error,warning,info "$packages"/probefs_*.changes
    assert_equal "$output" ""
}

@test "the server's package has all that an administrator looks for, and the library's no more" {
    dpkg-deb -c "$(package probefs)" | awk '$1 ~ /^[-l]/ { print $6 }' >"$work/files"
    for file in ./usr/sbin/probefs ./usr/sbin/mount.probefs ./usr/bin/probe-run ./usr/share/man/man1/probe-run.1.gz \
        ./usr/share/man/man5/probefs.5.gz ./usr/share/man/man8/probefs.8.gz \
        ./usr/share/bash-completion/completions/probefs \
        ./usr/share/zsh/vendor-completions/_probefs; do
        grep -qx "$file" "$work/files" || { echo "$file is missing"; return 1; }
    done
    run -0 bash -c "dpkg-deb -c '$(package libprobe-engine0)' | awk '\$1 ~ /^[-l]/ { print \$6 }' |
        sed 's,/[^/]*-linux-gnu/,/,' | grep -v ^./usr/share/doc/ | LC_ALL=C sort"
    assert_equal "$output" "./usr/lib/libprobe-engine.so.0
./usr/lib/libprobe-engine.so.0.1.0"
}

@test "installed, run, upgraded with a mount in use, removed without a trace" {
    chroot_begin
    mapfile -t files < <(all_packages)
    install_packages "${files[@]}"
    start demo-ocaml_1
    in_chroot mkdir -p /mnt/probes
    in_chroot probefs /mnt/probes 3>&-
    in_chroot sh -c "echo 1 > /mnt/probes/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"

    # Whoever holds a probe over the upgrade still has it afterwards.
    exec 9>"/proc/$chroot_keeper/root$root/mnt/probes/$pid/gc_stop/hold"
    for each in probefs libprobe-engine0 libprobe-engine-dev; do
        make_next "$each"
    done
    install_packages "$work"/*_next.deb
    assert_equal "$(in_chroot dpkg-query -W -f '${Version}' probefs)" 0.1.0+next
    assert_equal "$(in_chroot cat "/mnt/probes/$pid/gc_stop/hold")" 1
    assert_equal "$(memory_of "$pid" gc_stop)" "1 on"
    in_chroot sh -c "echo 0 > /mnt/probes/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"

    # A user who comes only now gets a worker, of the server that runs.
    users_create
    start_as a demo-ocaml_1 9>&-
    in_chroot sh -c "echo 1 > /mnt/probes/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"

    exec 9>&-
    in_chroot umount /mnt/probes
    in_chroot probefs --version
    in_chroot dpkg --purge probefs libprobe-engine-dev libprobe-engine0
    run in_chroot sh -c 'command -v probefs probe-run'
    assert_equal "$output" ""
    # What is left is the package manager's, and what it tells others to keep.
    run -0 bash -c "find '$upper' -type f -printf '%P\n' |
        grep -v '^var/lib/dpkg/\|^var/log/\|^var/cache/\|^etc/ld.so.cache\$\|^var/lib/systemd/' ||
        [ \$? = 1 ]"
    assert_equal "$output" ""
    users_remove
}

@test "a program is built with the packages, against the shared and the static library" {
    chroot_begin
    install_packages "$(package libprobe-engine0)" "$(package libprobe-engine-dev)"
    start demo-ocaml_1
    in_chroot sh -c 'cd /tmp && cp /usr/share/doc/libprobe-engine-dev/examples/switch/switch.c . &&
        gcc -Wall -Werror -o shared switch.c $(pkg-config --cflags --libs probe-engine) &&
        gcc -Wall -Werror -o static switch.c $(pkg-config --cflags --libs --static probe-engine) \
            -Wl,-Bstatic -lprobe-engine -Wl,-Bdynamic'
    run -0 in_chroot ldd /tmp/shared
    assert_match "$output" "*libprobe-engine.so.0*"
    run -0 in_chroot /tmp/shared "$pid"
    assert_match "$output" "*gc_start*"
    run -0 in_chroot /tmp/static "$pid"
    assert_match "$output" "*gc_start*"
}
