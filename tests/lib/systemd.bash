# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A systemd of the test's own, in namespaces: it knows our units, and nothing of the machine's. Its
# /mnt, /run and /tmp are its own; its processes are seen by itself and by the machine. Needs
# lib/installed.

# systemd_begin: starts it. Sets: systemd (its pid for us), and namespace, for `inside`.
systemd_begin() {
    local target
    mkdir "$work/cgroups" "$work/units"
    mount -t cgroup2 cgroup2 "$work/cgroups"
    cgroup=$work/cgroups/$(basename "$work")
    mkdir "$cgroup"
    for target in sysinit basic shutdown umount multi-user; do
        printf '[Unit]\nDefaultDependencies=no\n' > "$work/units/$target.target"
    done
    find "$installed/root" \( -name '*.service' -o -name '*.mount' \) -exec cp -t "$work/units" {} +
    cat > "$work/init.sh" << 'END_OF_SCRIPT'
set -e
echo $$ > "$2/cgroup.procs"
exec unshare --pid --fork --kill-child --mount --propagation private --mount-proc --uts --ipc \
    --cgroup sh -ec '
umount -l -a -t fuse.probefs || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /mnt
mount -t tmpfs tmpfs /etc/systemd
mount --bind "$1/default" /etc/default
export SYSTEMD_UNIT_PATH="$1/units" container=test
exec /lib/systemd/systemd --system --unit=basic.target --show-status=0 --log-target=console
' sh "$1"
END_OF_SCRIPT
    mkdir "$work/default"
    start_command root sh "$work/init.sh" "$work" "$cgroup"
    wait_until 'systemd=$(pgrep -P "$pid" -x systemd)'
    adopt "$systemd"
    namespace=$systemd
    add_programs "$(dirname "$(installed_file mount.probefs)")"
    add_programs "$(dirname "$(installed_file probefs)")"
    wait_until '[[ $(control is-system-running) = @(running|degraded) ]]'
}

# Runs in all of its namespaces, and in a cgroup that its processes do not share.
in_systemd() {
    nsenter --all --target "$systemd" "$@" 3>&-
}

# control VERB...: systemctl
control() {
    in_systemd timeout "$(patient 60)" systemctl --no-pager "$@" 2>&1
}

property() {
    control show --value --property "$2" "$1"
}

systemd_end() {
    [ "${systemd:-}" ] || return 0
    kill -KILL "$systemd"
    wait_until "! is_running $systemd"
    find "$cgroup" -depth -type d -exec rmdir {} +
    umount "$work/cgroups"
}
