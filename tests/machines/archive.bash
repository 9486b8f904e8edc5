#!/bin/bash
# SPDX-License-Identifier: MIT
#
# archive.bash DIR LINE KEYRING ARCH PACKAGE PATTERN: unpacks into DIR what PACKAGE of an archive
# depends on (itself included), if the name matches PATTERN (a basic regex). LINE is what
# sources.list would have, without "deb". What apt knows of the archive is kept in DIR/apt, and
# nothing of this system's own is touched.
set -euo pipefail
dir=$1 line=$2 keyring=$3 arch=$4 package=$5 pattern=$6
apt=$dir/apt

mkdir -p "$apt"/{lists/partial,cache/archives/partial}
echo "deb [signed-by=$keyring] $line" >"$apt/sources.list"
: >"$apt/status"
private_apt() {
    apt-get -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status" \
        -o Dir::Cache="$apt/cache" -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
        -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

private_apt update
mapfile -t packages < <(private_apt install --no-install-recommends -s "$package" |
    sed -n "s/^Inst \($pattern\) .*/\1/p")
[ ${#packages[@]} -gt 0 ] || { echo "archive.bash: no $package in '$line'" >&2; exit 1; }
(cd "$apt" && private_apt download "${packages[@]}")
for deb in "$apt"/*.deb; do
    dpkg-deb -x "$deb" "$dir"
done
rm "$apt"/*.deb
# Before /usr was merged, modules lay in /lib: modprobe -d looks there alone.
if [ -d "$dir/usr/lib/modules" ]; then
    mkdir -p "$dir/lib"
    ln -sfn ../usr/lib/modules "$dir/lib/modules"
fi
