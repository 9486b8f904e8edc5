#!/bin/sh
# SPDX-License-Identifier: MIT
#
# hold.sh FILE COMMAND [ARGUMENT]...: keeps a probe on while COMMAND runs.
#
# FILE is the probe's `hold` in the tree, such as /mnt/probes/1234/gc_start/hold.
set -eu

exec 9>"$1"
shift
# Without 9>&-, a daemon that COMMAND leaves behind would keep the probe on.
"$@" 9>&-
