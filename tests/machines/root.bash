#!/bin/bash
# SPDX-License-Identifier: MIT
#
# root.bash SUITE ARCH DIR PACKAGE...: unpacks a release's essential packages and these into DIR, and
# runs none of their scripts: so it takes a minute, needs no emulator for another processor, and
# is a sysroot to build against as well.
set -euo pipefail
suite=$1 arch=$2 dir=$3
shift 3
here=$(dirname "$(readlink -f "$0")")

# For dpkg in the guest, as if it had installed them: so it refuses what needs others. It knows none of
# their files, but ours it does.
# shellcheck disable=SC2016 # $1 is the root, for mmdebstrap
know_packages='for deb in "$1"/var/cache/apt/archives/*.deb; do
    dpkg-deb -f "$deb" | {
        multi_arch=
        while IFS= read -r line; do
            printf "%s\n" "$line"
            case $line in
            "Package: "*) name=${line#*: } && echo "Status: install ok installed" ;;
            "Architecture: "*) architecture=${line#*: } ;;
            "Multi-Arch: same") multi_arch=same ;;
            esac
        done
        echo
        [ ! "$multi_arch" ] || name=$name:$architecture
        : >"$1/var/lib/dpkg/info/$name.list"
    }
done >>"$1/var/lib/dpkg/status"'

rm -rf "$dir"
mmdebstrap --quiet --variant=extract --architectures="$arch" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --extract-hook="$know_packages" \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --include='?essential' --include="$(IFS=,; echo "$*")" "$suite" "$dir"

# What their scripts would have made.
for file in passwd group; do
    sed 's/^root:\*:/root:x:/' "$dir/usr/share/base-passwd/$file.master" >"$dir/etc/$file"
done
printf 'passwd: files\ngroup: files\n' >"$dir/etc/nsswitch.conf"
[ -e "$dir/usr/bin/awk" ] || ln -s mawk "$dir/usr/bin/awk"
ln -sf ../proc/self/mounts "$dir/etc/mtab"
chmod 4755 "$dir/usr/bin/fusermount3"
mkdir -p "$dir/share" "$dir/mnt"

# Absolute links would lead a linker out of the sysroot.
find "$dir/usr/lib" "$dir/etc" -type l -lname '/*' | while read -r link; do
    to=$(readlink "$link")
    [ ! -e "$dir$to" ] || ln -sfnr "$dir$to" "$link"
done

install -m 755 "$here/guest-init" "$here/run-jobs" "$dir/usr/sbin"
if [ -d "$dir/usr/lib/systemd/system" ]; then
    install -m 644 "$here/run-jobs.service" "$dir/etc/systemd/system"
    mkdir -p "$dir/etc/systemd/system/multi-user.target.wants"
    ln -sf ../run-jobs.service "$dir/etc/systemd/system/multi-user.target.wants"
fi
