#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One file: what it costs to switch one probe, and to read whether it is on.

The target is root's, and another user's (through that user's worker); it has one site, and
100,000. Each write really switches, as `1` and `0` take turns. Servers and caller have CPUs of
their own, and then share one. What server and worker take of processors is measured beside.
"""
import bench

NOBODY = 65534
ROUNDS = 2000

# At each place, what a write may take of the floor's time, and a read of that of the floor that skips.
LIMITS = {"CPUs of their own": (1.4, 1.5), "one CPU": (2.2, 2.4)}


def compare_processor_time(session, what, mounts, cases):
    """Of the server and its workers, beside that of the floor. MOUNTS and CASES: ours, the floor's."""
    ours, floor = (session.processor_time(mount, 300, case) for mount, case in zip(mounts, cases))
    session.compare(f"processor time of the servers: {what}", ours, "floor's", floor)


def compare_with_floor(session, mount, pid, probe, whose):
    plain, skips = session.floor_mounts
    file = f"{mount}/{pid}/{probe}/enabled"
    floor = f"{plain}/target/probe_00000/enabled"
    skip = f"{skips}/target/probe_00000/enabled"
    cases = {
        "write": ("write", file), "floor-write": ("write", floor), "skip-write": ("write", skip),
        "read": ("read", file), "floor-read": ("read", floor), "skip-read": ("read", skip)}
    session.time(1, cases)  # for the worker to be there when it is placed
    for place in bench.PLACES:
        session.place(place)
        samples = session.time(ROUNDS, cases)
        limits = LIMITS[place]
        for operation, peer, limit in (("write", "floor", limits[0]), ("write", "skip", None),
                                       ("read", "floor", None), ("read", "skip", limits[1])):
            name = "floor" if peer == "floor" else "floor that skips"
            session.compare(f"open, {operation}, close: {whose}, {place}", samples[operation],
                            name, samples[f"{peer}-{operation}"], at_most=limit)
        for operation, peer, at in (("write", "floor", plain), ("read", "skip", skips)):
            compare_processor_time(session, f"open, {operation}, close: {whose}, {place}",
                                   (mount, at), (cases[operation], cases[f"{peer}-{operation}"]))


def main():
    with bench.Session("file") as session:
        session.floor_mounts = session.floor(), session.floor(skip=True)
        mount = session.probefs()
        one = session.target(session.many(1, 1))
        compare_with_floor(session, mount, one, "probe_00000", "root's, 1 site")
        large = session.target(session.many(20 if bench.TINY else 20000, 5))
        compare_with_floor(session, mount, large, "probe_00007", "root's, 100,000 sites")
        theirs = session.target(session.many(1, 1), uid=NOBODY)
        compare_with_floor(session, mount, theirs, "probe_00000", "another user's, 1 site")


main()
