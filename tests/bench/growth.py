#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How the cost of one file grows with the sites and probes of its target."""
import bench

PLOT = "one probe of a target with many sites"


def main():
    with bench.Session("growth") as session:
        mount = session.probefs()
        floor = session.floor()
        for probes in (1, 10, 20) if bench.TINY else (1, 10, 100, 1000, 10000, 20000):
            pid = session.target(session.many(probes, 5))
            file = f"{mount}/{pid}/probe_00000/enabled"
            peer = f"{floor}/target/probe_00000/enabled"
            samples = session.time(500, {
                "probefs, write": ("write", file), "probefs, read": ("read", file),
                "floor, write": ("write", peer), "floor, read": ("read", peer)})
            for line, times in samples.items():
                session.point(PLOT, "sites", line, probes * 5, times)


main()
