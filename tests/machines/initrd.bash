#!/bin/bash
# SPDX-License-Identifier: MIT
#
# initrd.bash ROOT MODULES VERSION OUT: makes an initrd of 2 MB without running anything of the
# guest's, so for any architecture: ROOT's static busybox, the modules for qemu's devices out of
# MODULES/lib/modules/VERSION, and an init that mounts /dev/vda and starts what the command line
# names as guest.init.
set -euo pipefail
root=$1 modules=$2 version=$3 out=$4
wanted=(virtio_pci virtio_mmio virtio_blk virtio_rng ext4 9pnet_virtio 9p fuse)

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage"/{bin,dev,proc,sys,new,modules}
cp "$root/bin/busybox" "$stage/bin/busybox"
ln -s busybox "$stage/bin/sh"

depmod -b "$modules" "$version" 2>/dev/null
i=0
for module in "${wanted[@]}"; do
    # What is built in has no file.
    modprobe -d "$modules" -S "$version" --show-depends "$module" 2>/dev/null || true
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
    i=$((i + 1))
    name=$stage/modules/$(printf '%03d-%s' $i "$(basename "$file")")
    case $file in
    *.xz) xz -dc "$file" >"${name%.xz}" ;;
    *.zst) zstd -qdc "$file" >"${name%.zst}" ;;
    *) cp "$file" "$name" ;;
    esac
done

cat >"$stage/init" <<'INIT'
#!/bin/sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
for module in /modules/*; do /bin/busybox insmod $module; done
n=0
until /bin/busybox mount -t ext4 /dev/vda /new; do
    n=$((n + 1))
    [ $n -lt 200 ] || { echo "initrd: no root file system"; /bin/busybox poweroff -f; }
    /bin/busybox sleep 0.1
done
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in guest.init=*) init=${word#guest.init=} ;; esac
done
/bin/busybox umount /proc /sys
/bin/busybox mount --move /dev /new/dev
exec /bin/busybox switch_root /new "$init"
INIT
chmod 755 "$stage/init"
(cd "$stage" && find . | cpio -o -H newc --quiet | gzip -1) >"$out"
