#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Switching one probe with probefs, and with what else there is: a command that is started for each
change (ours, and what the start alone of /bin/true costs), a tracefs uprobe event, gdb, bpftrace.
"""
import contextlib
import os
import re
import shutil
import subprocess

import bench

TRACEFS = "/sys/kernel/tracing"
EVENT = "probefs_bench/site"


def write(path, text, flags=os.O_WRONLY):
    file = os.open(path, flags)
    os.write(file, text.encode())
    os.close(file)


@contextlib.contextmanager
def tracefs():
    """tracefs where it usually is, mounted if need be; the event of ours is removed."""
    events = f"{TRACEFS}/uprobe_events"
    mounted = not os.path.exists(events)
    if mounted:
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=True)
    try:
        yield events
    finally:
        with contextlib.suppress(OSError):
            write(events, f"-:{EVENT}", os.O_WRONLY | os.O_APPEND)
        if mounted:
            subprocess.run(["umount", TRACEFS], check=True)


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def compare_commands(session, mount):
    pid = session.target(session.many(1, 1))
    switch = os.path.join(bench.PROGRAMS, "switch")
    samples = session.time(300, {
        "probefs": ("write", f"{mount}/{pid}/probe_00000/enabled"),
        "command": ("run", f"{switch} {pid} probe_00000"),
        "true": ("run", "/bin/true")})
    for peer, label, times in (("command", "a command of the engine's", 10),
                               ("true", "/bin/true", None)):
        session.compare("one switch", samples["probefs"], f"{label}, started", samples[peer],
                        at_least=times)


def compare_tools(session, mount, pid, offset, events):
    program = os.readlink(f"/proc/{pid}/exe")
    file = f"{mount}/{pid}/python:gc__start/enabled"
    write(events, f"p:{EVENT} {program}:{offset}", os.O_WRONLY | os.O_APPEND)
    enable = f"{TRACEFS}/events/{EVENT}/enable"
    state = [0]

    def switch(path):
        state[0] = 1 - state[0]
        write(path, str(state[0]))

    def both(path):
        write(path, "1")
        write(path, "0")

    with_a_tool = ["bpftrace", "-p", str(pid), "-e",
                   f"usdt:{program}:python:gc__start {{ }} BEGIN {{ exit(); }}"]
    samples = bench.take_turns(bench.rounds(15), {
        "probefs": lambda: switch(file),
        "tracefs": lambda: both(enable),
        "gdb": lambda: run("gdb", "-batch", "-nx", "-p", str(pid)),
        "bpftrace": lambda: run(*with_a_tool)})
    ours = samples["probefs"]
    for peer, label, times in (("tracefs", "tracefs event, on and off", 50),
                               ("gdb", "gdb -batch -p", 1000), ("bpftrace", "bpftrace -p", 500)):
        session.compare("one switch", ours, label, samples[peer], at_least=times)


def main():
    for tool in ("gdb", "bpftrace"):
        if not shutil.which(tool):
            raise SystemExit(f"this benchmark needs {tool}")
    with bench.Session("tools") as session, tracefs() as events:
        mount = session.probefs()
        compare_commands(session, mount)
        pid = session.target("/usr/bin/python3", "-c",
                             "import os, time; print('pid', os.getpid(), flush=True)\n"
                             "while True: time.sleep(1)")
        with open(f"{mount}/{pid}/python:gc__start/sites", encoding="ascii") as sites:
            offset = re.search(r"\+(0x[0-9a-f]+)", sites.readline()).group(1)
        compare_tools(session, mount, pid, offset, events)


main()
