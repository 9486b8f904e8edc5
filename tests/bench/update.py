#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many probes at once: what it costs to switch, and to read, all of a process's probes.

The peer does only what the kernel must be asked for, at addresses that are known: a one-byte
pwrite for each site and counter; a read of the counters' span and one of each page of code.
"""
import os
import subprocess

import bench

PLOT = "all probes of a process at once"


def raw(what, pid):
    """The median of three rounds of the program raw."""
    done = subprocess.run([os.path.join(bench.PROGRAMS, "raw"), what, str(pid), "3"], check=True,
                          stdout=subprocess.PIPE, text=True)
    return sorted(int(line) for line in done.stdout.split())[1]


def switch(path, value):
    with open(path, "w", encoding="ascii") as file:
        return bench.timed(lambda: (file.write(value), file.flush()))


def read(path):
    with open(path, "rb", buffering=0) as file:
        return bench.timed(lambda: file.read(16))


def compare_library(session, pid, probes):
    """What the library takes, without a server."""
    for what, limit in (("read", 3 if probes > 2000 else 6), ("write", 1.15)):
        helpers = {name: bench.Helper(session, name, what, str(pid), *more)
                   for name, more in (("library", ()), ("raw", ("-",)))}
        samples = bench.take_turns(bench.rounds(15 if what == "write" else 101), {
            name: helper.ask for name, helper in helpers.items()})
        session.compare(f"{what} by the library: {probes} probes of 5 sites", samples["library"],
                        f"raw {what}s", samples["raw"], at_most=limit)
        for helper in helpers.values():
            helper.child.kill()


def main():
    with bench.Session("update") as session:
        mount = session.probefs()
        for probes in (10, 20) if bench.TINY else (200, 2000, 20000):
            pid = session.target(session.many(probes, 5))
            path = f"{mount}/{pid}/enabled"
            switch(path, "1")  # the first write to a page copies it
            samples = bench.take_turns(bench.rounds(15), {
                "on": lambda path=path: switch(path, "1"),
                "raw-on": lambda pid=pid: raw("write", pid),
                "read": lambda path=path: read(path),
                "raw-read": lambda pid=pid: raw("read", pid),
                "off": lambda path=path: switch(path, "0"),
                "raw-off": lambda pid=pid: raw("write", pid)})
            for what, peer, limit in (("on", "raw-on", None), ("off", "raw-off", None),
                                      ("read", "raw-read", 3 if probes > 2000 else 6)):
                session.point(PLOT, "probes of 5 sites", what, probes, samples[what])
                session.point(PLOT, "probes of 5 sites", peer, probes, samples[peer])
                session.compare(f"{what}: {probes} probes of 5 sites", samples[what],
                                "raw reads" if what == "read" else "raw writes", samples[peer],
                                at_most=limit)
            compare_library(session, pid, probes)


main()
