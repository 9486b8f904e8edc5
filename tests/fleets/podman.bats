#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The server in a container, by podman: the image that packaging/image.bash makes, and the pod of
# doc/kubernetes/probefs.yaml. The host is a mount namespace with a directory that it shares.

load ../lib/session

setup() {
    session_begin
    start_command root unshare --mount --propagation private sh -c '
        umount -l -a -t fuse.probefs
        # crun refuses both versions of cgroups beside each other.
        ! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
        mkdir "$1" && mount --bind "$1" "$1" && mount --make-shared "$1" &&
        echo made && exec sleep infinity' sh "$work/host"
    host=$pid
    wait_until "grep -q made '$out'"
    podman_begin
    make_image
    mkdir "$work/host/probes"
    start demo-ocaml_1 -q
}

teardown() {
    if [ "${host:-}" ]; then
        podman pod rm -f -a >/dev/null
        podman rm -f -a -t 3 >/dev/null
        # Layers of images are mounts of that namespace.
        stop "$host"
    fi
    session_end
}

inside() {
    nsenter --mount --target "$host" "$@" 3>&-
}

# Storage of the test's own; limits that also a root without CAP_SYS_RESOURCE may set.
podman_begin() {
    cat >"$work/containers.conf" <<END
[containers]
pids_limit = 0
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=1000:1000"]
log_driver = "k8s-file"
# Debian 12's podman overlooks hostPID in a manifest.
pidns = "host"
[engine]
events_logger = "file"
cgroup_manager = "cgroupfs"
END
    export CONTAINERS_CONF=$work/containers.conf
}

podman() {
    inside podman --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

make_image() {
    DESTDIR=$work/dest meson install -C "$build" --no-rebuild --quiet
    "$tests/../packaging/image.bash" "$work/dest" |
        podman import -q --change ENV=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin \
            - localhost/probefs
}

is_mounted() {
    [ "$(inside findmnt -n -o FSTYPE -M "$work/host/probes")" = fuse.probefs ]
}

@test "podman run: the host sees the tree, with its own pids, for as long as the container runs" {
    local directory=$work/host/probes/$pid
    podman run -d --name probefs --privileged --pid host --network none \
        -v "$work/host:/mnt:rshared" localhost/probefs probefs -f probefs /mnt/probes
    wait_until is_mounted
    inside grep -qx '0 0 1 gc_start' "$directory/info"
    inside sh -c "echo 1 > '$directory/gc_start/enabled'"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    # The image has what it takes to look from inside.
    assert_equal "$(podman exec probefs sh -c "grep -l 1 /mnt/probes/$pid/*/enabled")" \
        "/mnt/probes/$pid/boot/enabled"$'\n'"/mnt/probes/$pid/gc_start/enabled"
    inside sh -c "echo 0 > '$directory/enabled'"
    podman stop probefs
    run ! is_mounted
}

@test "the manifest is as Kubernetes' published schema says, and what is not would be found" {
    local manifest=$tests/../doc/kubernetes/probefs.yaml check=$tests/fleets/check_manifest.py mistake
    run -0 "$check" "$manifest"
    assert_equal "$output" "2 documents are as the schema says"
    for mistake in s/hostPID/hostPid/ 's,apps/v1,v1,' '/^  selector:/,+2d' '/matchLabels/{n;s/probefs/web/}' \
        's/privileged: true/privileged: 1/' '0,/ - name: mnt$/s// - name: mount/'; do
        sed "$mistake" "$manifest" >"$work/wrong.yaml"
        run -1 "$check" "$work/wrong.yaml"
        assert_match "$output" "DaemonSet*: *" "$mistake"
    done
}

# plays: the file. Debian 12's podman waits 20 s for an init container that has long ended, and may then still
# think that it runs, and give up.
plays() {
    run podman kube play --network none "$work/probefs.yaml"
    [[ $output != *"failed to remove once init container"* ]] ||
        run podman kube play --network none --replace "$work/probefs.yaml"
    echo "$output"
    return "$status"
}

# plays_manifest: as it is; or, where podman has no DaemonSet (Debian 12 has none, Debian 13 has), as a
# Deployment, which has the same fields.
plays_manifest() {
    run plays
    if [[ $output == *"does not contain any supported kube kind"* ]]; then
        sed -i 's/^kind: DaemonSet$/kind: Deployment/' "$work/probefs.yaml"
        run plays
    fi
    echo "$output"
    return "$status"
}

@test "podman kube play: the manifest mounts the tree for the host" {
    sed "s,IMAGE,localhost/probefs,; s,path: /mnt\$,path: $work/host," "$tests/../doc/kubernetes/probefs.yaml" \
        >"$work/probefs.yaml"
    # What this test stands for, and a podman might overlook.
    grep -q 'mountPropagation: Bidirectional' "$work/probefs.yaml"
    plays_manifest
    wait_until is_mounted
    inside grep -qx '0 0 1 gc_start' "$work/host/probes/$pid/info"
    # `kube down` of this podman kills, and knows no preStop.
    podman pod stop -t 20 -a
    wait_until '! is_mounted'
    podman kube down "$work/probefs.yaml"
}
