#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many clients at once on different targets, a client beside a target that is slow, and users that
all are slow.

The slow target is a process in vfork, which cannot be stopped: with engine=ptrace each write to it
takes most of a second before it fails. Users are slow whose workers are stopped: a listing waits a
second for them.
"""
import contextlib
import os
import signal
import threading
import time

import bench

PLOT = "one open, read, close, with clients at once"
CLIENTS = (1, 2, 4, 16, 64)
ROUNDS = 20 if bench.TINY else 2000
USERS = 2 if bench.TINY else 8
FIRST_UID = 61000


def time_clients(session, line, paths):
    """What one operation costs, of all that so many clients make."""
    threads = []
    start = bench.now()
    for path in paths:
        threads.append(threading.Thread(
            target=lambda path=path: session.time(ROUNDS, {"x": ("read", path)}, pause=0)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    each = (bench.now() - start) / (ROUNDS * len(paths))
    session.point(PLOT, "clients", line, len(paths), [each])
    return each


def compare_clients(session):
    mount, floor = session.probefs(), session.floor(skip=True)
    program = session.many(1, 1)
    files = [f"{mount}/{session.target(program)}/probe_00000/enabled" for _ in range(max(CLIENTS))]
    peer = f"{floor}/target/probe_00000/enabled"
    for count in CLIENTS:
        ours = time_clients(session, "probefs", files[:count])
        floor = time_clients(session, "floor that skips", [peer] * count)
        session.compare(f"one read of {count} at once", [ours], "floor that skips", [floor],
                        at_most=1.8)


def write_slowly(path, stop):
    while not stop.is_set():
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_WRONLY)
            try:
                os.write(file, b"1")
            finally:
                os.close(file)


def compare_beside_slow(session):
    mount = session.probefs("-o", "engine=ptrace")
    quick = f"{mount}/{session.target(session.many(1, 1))}/probe_00000/enabled"
    slow = f"{mount}/{session.target('vforker', '-q', '/bin/true', feed=True)}/gc_start/enabled"
    alone = session.time(500, {"x": ("read", quick)})["x"]
    stop = threading.Event()
    writers = [threading.Thread(target=write_slowly, args=(slow, stop)) for _ in range(4)]
    for writer in writers:
        writer.start()
    time.sleep(0.1)
    beside = session.time(500, {"x": ("read", quick)})["x"]
    stop.set()
    for writer in writers:
        writer.join()
    session.compare("one read beside 4 slow writes to another", beside, "alone", alone,
                    at_most=1.5)


def list_with_silent(mount, server, count):
    """How long a listing takes, where COUNT users' workers are there, and do not answer."""
    os.listdir(mount)
    for worker in bench.children_of(server)[:count]:
        os.kill(worker, signal.SIGSTOP)
    return bench.timed(lambda: os.listdir(mount))


def compare_silent_users(session):
    mount = session.probefs()
    server = session.servers[-1].pid
    for uid in range(FIRST_UID, FIRST_UID + USERS):
        session.target(session.many(1, 1), uid=uid)
    samples = bench.take_turns(bench.rounds(5), {
        "all": lambda: list_with_silent(mount, server, USERS),
        "one": lambda: list_with_silent(mount, server, 1)})
    session.compare(f"ls, {USERS} users are silent", samples["all"], "1 user is silent",
                    samples["one"], at_most=1.2)


def main():
    with bench.Session("clients") as session:
        compare_clients(session)
        compare_beside_slow(session)
        compare_silent_users(session)


main()
