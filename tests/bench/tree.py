#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A whole tree: what `grep -r .` and `find` cost for each file of a target with many probes, and
which requests the kernel sends for them.

Requests are counted in a run of its own, by what strace sees the server read; a
last RELEASE can come too late to be counted.
"""
import collections
import os
import re
import signal
import subprocess

import bench

SIZES = (10, 20) if bench.TINY else (1000, 10000)

# The begin of a request, as strace shows what is read: its length, then its opcode (both below 64
# KiB and little-endian).
REQUEST = re.compile(r'"\\x..\\x..\\x00\\x00(\\x..)\\x00\\x00\\x00"\.*, \d{6,}\) ')
OPCODES = {1: "LOOKUP", 2: "FORGET", 3: "GETATTR", 5: "READLINK", 14: "OPEN", 15: "READ",
           18: "RELEASE", 25: "FLUSH", 27: "OPENDIR", 28: "READDIR", 29: "RELEASEDIR",
           42: "BATCH_FORGET", 44: "READDIRPLUS"}


def time_tree(session, mount, probes):
    pid = session.target(session.many(probes, 1))
    plain, skips = session.floor(probes), session.floor(probes, skip=True)
    for place in bench.PLACES:
        session.place(place)
        for operation, what in (("walk", "grep -r"), ("find", "find")):
            samples = session.time(15 if probes <= 1000 else 3, {
                "probefs": (operation, f"{mount}/{pid}"),
                "floor": (operation, f"{plain}/target"),
                "floor that skips": (operation, f"{skips}/target")})
            for peer in ("floor", "floor that skips"):
                session.compare(f"{what}, {probes:,} probes, each file, {place}",
                                samples["probefs"], peer, samples[peer], at_most=1.3)


def trace(server, log):
    """Starts strace on a server; returns when it sees all requests."""
    tracer = subprocess.Popen(["strace", "-f", "-xx", "-s", "8", "-e", "trace=read", "-o", log,
                               "-p", str(server.pid)], stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()
    return tracer


def count_requests(session, server, command, where):
    """{OPCODE: number} of what COMMAND in WHERE makes the kernel send."""
    log = f"{session.work}/requests"
    tracer = trace(server, log)
    with open(f"{session.work}/output", "wb") as output:
        subprocess.run(command, cwd=where, stdout=output, check=True)
    tracer.send_signal(signal.SIGINT)
    tracer.communicate()
    counts = collections.Counter()
    with open(log, encoding="ascii", errors="replace") as lines:
        for line in lines:
            found = REQUEST.search(line)
            if found:
                opcode = int(found.group(1).replace("\\x", ""), 16)
                counts[OPCODES.get(opcode, f"opcode {opcode}")] += 1
    os.unlink(log)
    return dict(sorted(counts.items()))


def count_tree(session, probes):
    pid = session.target(session.many(probes, 1))
    servers = {"probefs": (session.probefs, str(pid)),
               "floor": (lambda: session.floor(probes), "target"),
               "floor that skips": (lambda: session.floor(probes, skip=True), "target")}
    for name, (start, directory) in servers.items():
        where = f"{start()}/{directory}"
        for command in (["grep", "-r", "."], ["find"], ["find", "-name", "enabled"]):
            counts = count_requests(session, session.servers[-1], command, where)
            session.count(f"`{' '.join(command)}`, {probes} probes, {name}", counts)


def main():
    with bench.Session("tree") as session:
        mount = session.probefs()
        for probes in SIZES:
            time_tree(session, mount, probes)
        count_tree(session, 5 if bench.TINY else 100)


main()
