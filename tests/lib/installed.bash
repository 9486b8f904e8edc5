# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The programs as `meson install` installs them, in a mount namespace of the test's own: there they
# stand among the system's. Nothing of it stays on the machine.

# The system's directories that the namespace has with our programs, and what stands in their place.
declare -gA program_directories=()

# install_once: installs into a directory. Sets: installed.
install_once() {
    installed=$(mktemp -d /tmp/probefs-test.XXXXXX)
    export installed
    chmod 755 "$installed"
    DESTDIR=$installed/root meson install --no-rebuild -C "$build" > "$installed/log" 2>&1 ||
        { cat "$installed/log"; return 1; }
}

install_remove() {
    rm -rf --one-file-system "$installed"
}

# installed_file NAME: its path for the system, as in the namespace; of a program, not of what
# completes its arguments in a shell.
installed_file() {
    find "$installed/root" -name completions -prune -o -type f -name "$1" -printf '/%P\n'
}

# namespace_begin: makes the namespace, which lives as long as a sleep in it. Sets: namespace.
namespace_begin() {
    start_command root unshare --mount --propagation private sh -c "$forget_mounts; exec sleep infinity"
    namespace=$pid
    wait_until 'grep -qx sleep "/proc/$namespace/comm"'
    add_programs "$(dirname "$(installed_file mount.probefs)")"
    add_programs "$(dirname "$(installed_file probefs)")"
}

# add_programs DIRECTORY: the system's directory, with what was installed in it: a directory of
# links to the system's programs, and of copies of ours.
add_programs() {
    local real number=${#program_directories[@]}
    real=$(readlink -f "$1")
    if [ ! "${program_directories[$real]:-}" ]; then
        mkdir "$work/system-$number" "$work/programs-$number"
        inside mount --bind "$real" "$work/system-$number"
        inside find "$work/system-$number" -mindepth 1 -maxdepth 1 -exec ln -s -t "$work/programs-$number" {} +
        inside mount --bind "$work/programs-$number" "$real"
        # shellcheck disable=SC2004 # an associative array
        program_directories[$real]=$work/programs-$number
    fi
    cp --remove-destination "$installed/root$1"/* "${program_directories[$real]}"
}

inside() {
    nsenter --mount --target "$namespace" "$@" 3>&-
}

# server_at MOUNTPOINT: the server that mounted there.
server_at() {
    pgrep -f "^probefs [^ ]+ $1( |\$)"
}

namespace_end() {
    local at server
    [ "${namespace:-}" ] || return 0
    for at in $(inside findmnt -rn -t fuse.probefs -o TARGET | grep "^$work/"); do
        server=$(server_at "$at")
        inside timeout "$(patient 10)" umount "$at" || return 1
        wait_until "! is_running ${server:-0}" || return 1
    done
    stop "$namespace"
}

setup_file() {
    users_create
    install_once
}

teardown_file() {
    install_remove
    users_remove
}
