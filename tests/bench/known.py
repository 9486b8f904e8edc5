#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Large files: how long until all probes of a program are known, and what they take in memory.

The peer is `readelf -n`, which reads and prints the same notes. Each round starts a new server, as
one that knows the file reads nothing. The 1 GiB program is the small one with a hole behind it.
"""
import os
import shutil
import subprocess

import bench

PLOT = "a program's probes are known"
SITES = 5


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


class Known:
    """Times the first listing of a process in a new server, and the growth of its memory."""

    def __init__(self, session, pid):
        self.session = session
        self.pid = pid
        self.grown = []

    def __call__(self):
        mount = self.session.probefs()
        server = self.session.servers[-1]
        before = resident(server.pid)
        spent = bench.timed(lambda: os.stat(f"{mount}/{self.pid}"))
        with open(f"{mount}/{self.pid}/enabled", encoding="ascii") as file:
            file.read()
        self.grown.append(resident(server.pid) - before)
        self.session.stop(mount)
        return spent


def readelf(path):
    subprocess.run(["readelf", "-n", path], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def compare_sizes(session):
    for probes in (10, 20) if bench.TINY else (2000, 20000, 80000):
        path = session.many(probes, SITES)
        known = Known(session, session.target(path))
        samples = bench.take_turns(bench.rounds(5), {
            "probefs": known, "readelf -n": lambda path=path: readelf(path)})
        for line, times in samples.items():
            session.point(PLOT, "notes", line, probes * SITES, times)
        session.compare(f"{probes * SITES} notes are known", samples["probefs"], "readelf -n",
                        samples["readelf -n"], at_most=1)
        session.count(f"memory for each of {probes * SITES} sites, in bytes", {
            "server": round(sorted(known.grown)[len(known.grown) // 2] / probes / SITES)})


def compare_hole(session):
    small = session.many(2, SITES)
    large = small + "-large"
    shutil.copy(small, large)
    os.truncate(large, 1 << 30)
    samples = bench.take_turns(bench.rounds(15), {
        "large": Known(session, session.target(large)),
        "small": Known(session, session.target(small))})
    session.compare("10 notes in 1 GiB are known", samples["large"], "10 notes in a small file",
                    samples["small"])


def main():
    with bench.Session("known") as session:
        compare_sizes(session)
        compare_hole(session)


main()
