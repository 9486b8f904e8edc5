# SPDX-License-Identifier: MIT
"""order.py CONTROL ON OFF OBSERVER...: writes ON and OFF by turns, until targets/order, the observer,
has seen ten times each which comes first. It is waited for asleep: the observer needs a processor,
and the worker that is observed another.
"""
import os
import subprocess
import sys

control, *commands = sys.argv[1:4]
control = os.open(control, os.O_WRONLY)
wanted = ["stop first", "start first"]
certain = [0, 0]


def observe(lines):
    for i in range(100000):
        which = i % 2
        os.write(control, commands[which].encode() + b"\n")
        seen = lines.readline().strip()
        if seen == "unseen":
            continue
        if seen != wanted[which]:
            return f"{commands[which]}: {seen}"
        certain[which] += 1
        if min(certain) >= 10 and which == 1:
            return None
    return f"too few certain observations: {certain}"


with subprocess.Popen(sys.argv[4:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                      text=True) as observer:
    try:
        sys.exit(observe(observer.stdout) if observer.stdout.readline() == "watching\n"
                 else "the observer does not start")
    finally:
        observer.kill()
