# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A copy of the running system, to install things in: what is written there is in memory, and gone
# with the test. Its processes are the system's, so that a server in it has something to show.
#
#     chroot_begin            makes it
#     in_chroot COMMAND...    runs a command in it, as root
#     chroot_end
#
# Sets: root (where it is, for the keeper's eyes only), upper (what differs from the system).

chroot_begin() {
    local space=$work/chroot
    mkdir "$space"
    # Mounts of its own, which a process keeps. All of them go with it.
    unshare --mount --propagation private sh -c '
        umount -l -a -t fuse.probefs
        mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/root" &&
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root" &&
        mount --rbind /proc "$1/root/proc" && mount --rbind /dev "$1/root/dev" && mount --rbind /sys "$1/root/sys" &&
        mount -t tmpfs tmpfs "$1/root/run" && mount -t tmpfs tmpfs "$1/root/tmp" &&
        echo made && exec sleep infinity' sh "$space" >"$work/out/chroot" 2>&1 </dev/null 3>&- &
    chroot_keeper=$!
    wait_until "grep -q made '$work/out/chroot' || ! kill -0 $chroot_keeper"
    grep -q made "$work/out/chroot" || { cat "$work/out/chroot"; return 1; }
    root=$space/root
    upper=/proc/$chroot_keeper/root$space/upper
}

in_chroot() {
    nsenter --mount --target "$chroot_keeper" chroot "$root" "$@"
}

chroot_end() {
    [ "${chroot_keeper:-}" ] || return 0
    kill -KILL "$chroot_keeper"
    wait "$chroot_keeper" || true
    chroot_keeper=
} 2>/dev/null
