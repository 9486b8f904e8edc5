# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# units.bash LIST: the unit tests that units.py has listed, where there is no meson. Each is a line
# of TAP; a failed one says more.

count=0
while read -r name limit command; do
    count=$((count + 1))
    # shellcheck disable=SC2154 # SPEED is what the machine's factor is, in percent
    if timeout $((limit * SPEED / 100)) bash -c "exec $command" >/tmp/unit.out 2>&1 </dev/null; then
        echo "ok $count unit test $name"
    else
        echo "not ok $count unit test $name (status $?)"
        sed 's/^/# /' /tmp/unit.out
    fi
done <"$1"
echo "1..$count"
