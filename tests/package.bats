#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: once first
#
# Debian's packages: built from a copy of the checkout, looked at, installed and removed in a copy
# of the running system.

load lib/session
load lib/chroot
load lib/packages

version=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$BATS_TEST_DIRNAME/../debian/changelog")

setup_file() {
    export packages=$BATS_FILE_TMPDIR
    export BATS_NO_PARALLELIZE_WITHIN_FILE=true
    packages_build "$BATS_TEST_DIRNAME/.." "$packages"
}

teardown() {
    chroot_end
    session_end
}

# install_packages FILE...: in the chroot. What they depend on is there, as it was needed to build.
install_packages() {
    local file names=()
    for file in "$@"; do
        in_chroot tee "/tmp/$(basename "$file")" >/dev/null <"$file"
        names+=("/tmp/$(basename "$file")")
    done
    # Indexing all of the system's manuals takes longer than all else here.
    in_chroot rm -f /var/lib/man-db/auto-update
    in_chroot dpkg --force-unsafe-io -i "${names[@]}"
}

@test "they are built with hardening, and lintian has nothing to say" {
    run -0 lintian --allow-root --display-info --fail-on error,warning,info "$packages"/probefs_*.changes
    assert_equal "$output" ""
}

@test "the server's package has all that an administrator looks for, and the library's no more" {
    dpkg-deb -c "$(package probefs)" | awk '$1 ~ /^[-l]/ { print $6 }' >"$work/files"
    for file in ./usr/sbin/probefs ./usr/sbin/mount.probefs ./usr/bin/probe-run ./usr/bin/probe-top \
        ./usr/share/man/man1/probe-run.1.gz ./usr/share/man/man1/probe-top.1.gz \
        ./usr/share/man/man5/probefs.5.gz ./usr/share/man/man8/probefs.8.gz \
        ./usr/share/bash-completion/completions/probefs \
        ./usr/share/zsh/vendor-completions/_probefs; do
        grep -qx "$file" "$work/files" || { echo "$file is missing"; return 1; }
    done
    run -0 bash -c "dpkg-deb -c '$(package libprobe-engine1)' | awk '\$1 ~ /^[-l]/ { print \$6 }' |
        sed 's,/[^/]*-linux-gnu/,/,' | grep -v ^./usr/share/doc/ | LC_ALL=C sort"
    assert_equal "$output" "./usr/lib/libprobe-engine.so.1
./usr/lib/libprobe-engine.so.1.0.0"
}

# depends_on PACKAGE NAME
depends_on() {
    dpkg-deb -f "$(package "$1")" Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//' | grep -qx "$2"
}

@test "each package depends on what it needs, and on libbpf only where it watches" {
    local each module file
    depends_on libprobe-engine1 libbpf1
    # pkg-config refuses the library without those that it is linked with.
    dpkg-deb -x "$(package libprobe-engine-dev)" "$work/dev"
    for module in $(sed -n 's/^Requires.private: //p' "$work"/dev/usr/lib/*/pkgconfig/probe-engine.pc |
        tr ',' '\n' | awk '{ print $1 }'); do
        file=$(dpkg -S "*/$module.pc" | cut -d: -f1)
        depends_on libprobe-engine-dev "$file" || { echo "no $file, for $module"; return 1; }
    done
    dpkg-deb -x "$(package probefs)" "$work/server"
    for each in "$work"/server/usr/{bin,sbin}/*; do
        run bash -c "readelf -d '$each' | grep -c 'NEEDED.*libbpf'"
        case ${each##*/} in
        mount.probefs) assert_equal "$output" 0 "$each is linked with libbpf" ;;
        esac
        [ "$output" = 0 ] || depends_on probefs libbpf1
    done
}

# lines_come: more of the stream, from now on.
lines_come() {
    local before
    before=$(wc -l <"$work/out/stream")
    wait_until "[ \$(wc -l <'$work/out/stream') -gt $before ]"
}

@test "installed, run, upgraded from 0.1.0 with a mount in use, removed without a trace" {
    chroot_begin
    packages_make_previous "$work"
    install_packages "$work"/*_0.1.0.deb
    start demo-ocaml_1
    in_chroot mkdir -p /mnt/probes
    in_chroot probefs /mnt/probes 3>&-
    in_chroot sh -c "echo 1 > /mnt/probes/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"

    # Whoever holds or watches a probe over the upgrade still does so afterwards.
    switched=$pid
    start sdt
    : >"$work/out/stream"
    in_chroot timeout "$(patient 120)" cat "/mnt/probes/$pid/web:query/trace" >>"$work/out/stream" 3>&- &
    reader=$!
    pid=$switched
    lines_come
    exec 9>"/proc/$chroot_keeper/root$root/mnt/probes/$pid/gc_stop/hold"
    mapfile -t files < <(packages_all)
    install_packages "${files[@]}"
    assert_equal "$(in_chroot dpkg-query -W -f '${Version}' probefs)" "$version"
    # Programs that were linked with the library as it was still find it.
    in_chroot sh -c 'test -e /usr/lib/*/libprobe-engine.so.0 && test -e /usr/lib/*/libprobe-engine.so.1'
    lines_come
    pkill -P "$reader" # what that shell has started
    wait "$reader" || true
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
    in_chroot dpkg --purge probefs libprobe-engine-dev libprobe-engine1 libprobe-engine0
    run -127 in_chroot sh -c 'command -v probefs probe-run probe-top'
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
    install_packages "$(package libprobe-engine1)" "$(package libprobe-engine-dev)"
    start demo-ocaml_1
    in_chroot sh -c 'cd /tmp && cp /usr/share/doc/libprobe-engine-dev/examples/switch/switch.c . &&
        gcc -Wall -Werror -o shared switch.c $(pkg-config --cflags --libs probe-engine) &&
        gcc -Wall -Werror -o static switch.c $(pkg-config --cflags --libs --static probe-engine) \
            -Wl,-Bstatic -lprobe-engine -Wl,-Bdynamic'
    run -0 in_chroot ldd /tmp/shared
    assert_match "$output" "*libprobe-engine.so.1*"
    run -0 in_chroot /tmp/shared "$pid"
    assert_match "$output" "*gc_start*"
    run -0 in_chroot /tmp/static "$pid"
    assert_match "$output" "*gc_start*"
}
