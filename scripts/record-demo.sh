#!/bin/bash
# SPDX-License-Identifier: MIT
#
# record-demo.sh: runs the demo of ./run, with what is in build/, and makes doc/demo.svg from it. In
# namespaces of its own, so that the demo's are the only processes in the picture.
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
    in_demo_space script -qec 'scripts/record-demo.sh inside' /dev/null </dev/null >"$session"
    picture=$(python3 scripts/demo-svg.py <"$session")
    printf '%s\n' "$picture" >doc/demo.svg
fi
