# SPDX-License-Identifier: MIT
"""order.py CONTROL OBSERVED ON OFF: writes both by turns, until targets/order has seen which comes first."""
import os, sys
control, observed, *commands = sys.argv[1:]
control = os.open(control, os.O_WRONLY)
wanted = ["stop first", "start first"]
certain = [0, 0]
lines = 1
for i in range(4000):
    which = i % 2
    os.write(control, commands[which].encode() + b"\n")
    while True:
        with open(observed, encoding="ascii") as file:
            seen = file.read().splitlines()
        if len(seen) > lines:
            break
    lines += 1
    if seen[-1] == "unseen":
        continue
    if seen[-1] != wanted[which]:
        sys.exit(f"{commands[which]}: {seen[-1]}")
    certain[which] += 1
    if min(certain) >= 10 and which == 1:
        break
else:
    sys.exit(f"too few certain observations: {certain}")
