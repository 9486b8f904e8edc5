#!/bin/bash
# SPDX-License-Identifier: MIT
#
# image.bash PACKAGE... > image.tar: the root file system of a container image, with the server in it
# and nothing that it does not need. PACKAGE is probefs's .deb, or a directory into which probefs was
# installed (DESTDIR). Needs no network, no root, and no engine of containers. See doc/fleets.md.
#
#     packaging/image.bash ../probefs_*.deb | podman import - localhost/probefs
#
# Libraries are those of this machine: run it where the packages were built.
set -euo pipefail

# What doc/kubernetes and people in the container use.
tools=(sh cat echo grep ls mkdir readlink stat test umount)

if [ $# = 0 ]; then
    echo "usage: image.bash PACKAGE... > image.tar" >&2
    exit 2
fi
if [ -t 1 ]; then
    echo "image.bash: this writes a tar file: send it somewhere" >&2
    exit 2
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

# As in Debian: one place for programs and libraries.
mkdir -p "$root"/{etc,mnt,proc,sys,dev,tmp,run,usr/{bin,sbin,lib,lib64}}
for each in bin sbin lib lib64; do
    ln -s "usr/$each" "$root/$each"
done

for package in "$@"; do
    if [ -d "$package" ]; then
        tar -C "$package" -cf - .
    else
        dpkg-deb --fsys-tarfile "$package"
    fi | tar -C "$root" --keep-directory-symlink -xf - --exclude './usr/share' \
        --exclude './usr/local/share' --exclude 'libprobe-engine*' --exclude '*.pc' --exclude '*/probe-top' --exclude '*/systemd' --exclude '*/include'
done

for tool in "${tools[@]}"; do
    cp -L "$(PATH=/usr/bin:/bin:/usr/sbin:/sbin command -p which "$tool")" "$root/usr/bin/$tool"
done

# Each library at the path where its loader finds it, the loader included.
find "$root/usr" -type f -perm -100 -exec ldd {} + 2>/dev/null |
    awk '/^\t/ { for (i = 1; i <= NF; i++) if ($i ~ "^/") print $i }' | sort -u |
    while read -r library; do
        mkdir -p "$root/$(dirname "$library")"
        cp -L "$library" "$root/$library"
    done

# Owners have names in `ls`; nobody logs in.
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"

tar -C "$root" --owner=0 --group=0 --numeric-owner --sort=name -cf - .
