#!/bin/bash
# SPDX-License-Identifier: MIT
#
# kernel-from-source.bash DIR LINE KEYRING ARCH PACKAGE CONFIG: compiles a kernel without modules from
# Debian's PACKAGE of its source (linux-source-VERSION), with CONFIG on top of allnoconfig, and
# leaves in DIR what archive.bash leaves there of a package: boot/vmlinuz-RELEASE, and
# lib/modules/RELEASE, which is empty. LINE and KEYRING are archive.bash's.
set -euo pipefail
dir=$1 line=$2 keyring=$3 arch=$4 package=$5
config=$(readlink -f "$6")
here=$(dirname "$(readlink -f "$0")")
started=$SECONDS

rm -rf "$dir/source" "$dir/tree" "$dir/object"
"$here/archive.bash" "$dir/source" "$line" "$keyring" "$arch" "$package" "$package"
mkdir "$dir/tree"
tar -xf "$dir/source/usr/src/$package.tar.xz" -C "$dir/tree" --strip-components 1
rm -r "$dir/source"

# make_kernel TARGET
make_kernel() {
    nice make -s -j"$(nproc)" -C "$dir/tree" O="$dir/object" ARCH="$arch" \
        CROSS_COMPILE=aarch64-linux-gnu- KCONFIG_ALLCONFIG="$config" "$1"
}

make_kernel allnoconfig
# What depends on a line that is missing is left out, and nothing is said.
grep '^CONFIG_' "$config" | while read -r setting; do
    grep -qxF "$setting" "$dir/object/.config" || { echo "kernel-from-source.bash: no $setting" >&2; exit 1; }
done
make_kernel Image
release=$(make_kernel kernelrelease)

mkdir -p "$dir/boot" "$dir/lib/modules/$release"
cp "$dir/object/arch/$arch/boot/Image" "$dir/boot/vmlinuz-$release"
cp "$dir/object/.config" "$dir/boot/config-$release"
times >"$dir/object/times"
echo "Linux $release, from source: $((SECONDS - started)) s; user and system $(sed -n 2p "$dir/object/times")"
rm -rf "$dir/tree" "$dir/object"
