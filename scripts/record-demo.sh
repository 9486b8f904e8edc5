#!/bin/bash
# SPDX-License-Identifier: MIT
#
# record-demo.sh: runs the demo of ./run, with what is in build/, and makes doc/demo.svg from it. In a
# mount namespace of its own; not in a pid namespace, from which no probe can be watched. So it is for a
# machine where no other program with probes runs: it would be in the picture.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/demo.bash

if [ "${1:-}" = inside ]; then
    stty cols 92
    demo /mnt/probes
    end_demo_programs
    umount /mnt/probes
else
    session=$(mktemp)
    trap 'rm "$session"' EXIT
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount --propagation private sh -c \
        'mount -t tmpfs tmpfs /mnt && mount -t tmpfs tmpfs /run && exec "$@"' sh \
        script -qec 'scripts/record-demo.sh inside' /dev/null </dev/null >"$session"
    picture=$(python3 scripts/demo-svg.py <"$session")
    printf '%s\n' "$picture" >doc/demo.svg
fi
