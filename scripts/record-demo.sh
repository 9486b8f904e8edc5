#!/bin/bash
# SPDX-License-Identifier: MIT
#
# record-demo.sh: runs the demo of ./run, with what is in build/, and makes doc/demo.svg from it. In
# namespaces of its own, so that the demo's are the only processes in the picture.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" = inside ]; then
    mount -t tmpfs tmpfs /mnt
    mount -t tmpfs tmpfs /run
    stty cols 92
    source scripts/demo.bash
    demo /mnt/probes
    end_demo_programs
    umount /mnt/probes
else
    unshare --mount --pid --fork --mount-proc --kill-child \
        script -qec 'scripts/record-demo.sh inside' /dev/null </dev/null |
        python3 scripts/demo-svg.py >doc/demo.svg
fi
