#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Thousands of processes: listing the mount, looking one up, and what a server takes for it.

The peer is `ps -e`. It all runs in a pid namespace of its own, where there are these processes
and no others. At last a million processes come and go, so many at a time that pids are used again.
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


class Crowd:
    """A process with so many children as are wanted (crowd.c)."""

    def __init__(self, session):
        self.child = subprocess.Popen([os.path.join(bench.PROGRAMS, "crowd")],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        session.children.append(self.child)

    def become(self, count):
        print(count, file=self.child.stdin, flush=True)
        if self.child.stdout.readline() != f"{count}\n":
            raise RuntimeError(f"no {count} processes")


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


def memory_of(server):
    """KiB of a server and its workers."""
    return sum(field(pid, "status", "VmRSS") for pid in [server, *bench.children_of(server)])


def come_and_go(session, crowd, waves, count):
    """So many waves of COUNT processes, each listed while it is there."""
    mount = session.probefs()
    server = session.servers[-1].pid
    run("ls", mount)
    memory = {"KiB of memory when none had": memory_of(server)}
    for wave in range(1, waves + 1):
        crowd.become(count)
        if len(os.listdir(mount)) < count:
            raise RuntimeError(f"wave {wave}: not all processes were listed")
        crowd.become(0)
        if wave in (1, waves // 2, waves):
            run("ls", mount)
            memory[f"after {wave * count}"] = memory_of(server)
    session.count(f"server and workers, processes come and go, {count} at a time", memory)
    session.stop(mount)


def main():
    if "--alone" not in sys.argv:
        os.execvp("unshare", ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                              sys.executable, "-B", __file__, "--alone"])
    with bench.Session("listing") as session:
        for count in (20, 40) if bench.TINY else (500, 5000):
            start(session, count - len(session.children))
            measure(session, count)
        crowd = Crowd(session)
        crowd.become(40 if bench.TINY else 20000 - len(session.children))
        measure(session, 80 if bench.TINY else 20000)
        crowd.become(0)
        come_and_go(session, crowd, *((2, 100) if bench.TINY else (50, 20000)))


main()
