#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Thousands of processes: listing the mount, looking one up, and what a server takes for it.

The peer is `ps -e`. It all runs in a pid namespace of its own, where there are these processes
and no others.
"""
import os
import subprocess
import sys
import time

import bench

PLOT = "processes are listed"
PROGRAMS = (["sleep", "100000"], ["demo-ocaml_1", "-q", "-i", "1000000"],
            ["sdt", "-q", "-i", "1000000"], ["cat"])


def start(session, count):
    """As many processes of a few programs; the ends of pipes keep them waiting."""
    for number in range(count):
        program, *arguments = PROGRAMS[number % len(PROGRAMS)]
        path = os.path.join(bench.TARGETS, program)
        session.children.append(subprocess.Popen(
            [path if os.path.exists(path) else program, *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL))


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def field(pid, file, name):
    with open(f"/proc/{pid}/{file}", encoding="ascii") as text:
        return next(int(line.split()[1]) for line in text if line.startswith(name))


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def first_listing(session):
    mount = session.probefs()
    spent = bench.timed(lambda: run("ls", mount))
    session.stop(mount)
    return spent


def measure(session, count):
    pid = session.children[1].pid
    samples = bench.take_turns(bench.rounds(7), {
        "first ls": lambda: first_listing(session), "ps": lambda: run("ps", "-e")})
    session.compare(f"first ls, {count} processes", samples["first ls"], "ps -e", samples["ps"],
                    at_most=1)
    session.point(PLOT, "processes", "first ls", count, samples["first ls"])
    mount = session.probefs()
    server = session.servers[-1].pid
    run("ls", mount)
    samples = bench.take_turns(bench.rounds(15), {
        "next ls": lambda: run("ls", mount), "ps -e": lambda: run("ps", "-e")})
    session.compare(f"next ls, {count} processes", samples["next ls"], "ps -e", samples["ps -e"],
                    at_most=0.5)
    for line, times in samples.items():
        session.point(PLOT, "processes", line, count, times)
    looked_up = session.time(200, {"look up": ("read", f"{mount}/{pid}/gc_start/enabled")})
    session.point("one probe is read among many processes", "processes", "open, read, close",
                  count, looked_up["look up"])
    before = cpu_ticks(server)
    time.sleep(0.1 if bench.TINY else 10)
    session.count(f"server with {count} processes", {
        "KiB of memory": field(server, "status", "VmRSS"),
        "ticks of processor time in 10 s idle": cpu_ticks(server) - before})


def main():
    if "--alone" not in sys.argv:
        os.execvp("unshare", ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                              sys.executable, "-B", __file__, "--alone"])
    with bench.Session("listing") as session:
        for count in (20, 40) if bench.TINY else (500, 5000):
            start(session, count - len(session.children))
            measure(session, count)


main()
