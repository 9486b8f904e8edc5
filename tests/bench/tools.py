#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Switching one probe with probefs, and with what else there is: a command that is started for each
change (ours, and what the start alone of /bin/true costs), a tracefs uprobe event, gdb, bpftrace.
Ten switches in a row are timed, as what else is started leaves nothing of a server in the caches.
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
            write(f"{TRACEFS}/events/{EVENT}/enable", "0")
            write(events, f"-:{EVENT}", os.O_WRONLY | os.O_APPEND)
        if mounted:
            subprocess.run(["umount", TRACEFS], check=True)


def compare_commands(session, mount):
    pid = session.target(session.many(1, 1))
    switch = os.path.join(bench.PROGRAMS, "switch")
    samples = session.time(300, {
        "probefs": ("series", f"{mount}/{pid}/probe_00000/enabled"),
        "command": ("run", f"{switch} {pid} probe_00000"),
        "true": ("run", "/bin/true")})
    for peer, label, times in (("command", "a command of the engine's", 10),
                               ("true", "/bin/true", None)):
        session.compare("one switch, of ten in a row", samples["probefs"], f"{label}, started",
                        samples[peer], at_least=times)


def compare_tools(session, mount, pid, offset, events):
    program = os.readlink(f"/proc/{pid}/exe")
    write(events, f"p:{EVENT} {program}:{offset}", os.O_WRONLY | os.O_APPEND)
    script = f"{session.work}/attach.bt"
    with open(script, "w", encoding="ascii") as file:
        file.write(f"usdt:{program}:python:gc__start {{ }} BEGIN {{ exit(); }}\n")
    samples = session.time(15, {
        "probefs": ("series", f"{mount}/{pid}/python:gc__start/enabled"),
        "tracefs": ("pair", f"{TRACEFS}/events/{EVENT}/enable"),
        "gdb": ("run", f"{shutil.which('gdb')} -batch -nx -p {pid}"),
        "bpftrace": ("run", f"{shutil.which('bpftrace')} -p {pid} {script}")})
    for peer, label, times in (("tracefs", "tracefs event's enable", 50),
                               ("gdb", "gdb -batch -p", 1000), ("bpftrace", "bpftrace -p", 500)):
        session.compare("one switch, of ten in a row", samples["probefs"], label, samples[peer],
                        at_least=times)


def main():
    for tool in ("gdb", "bpftrace"):
        if not shutil.which(tool):
            raise SystemExit(f"this benchmark needs {tool}")
    with bench.Session("tools") as session, tracefs() as events:
        mount = session.probefs()
        compare_commands(session, mount)
        # All who trace a site have to agree on its semaphore, which this event leaves out; so it
        # is that of a python3 that nobody else traces.
        pid = session.target(shutil.copy("/usr/bin/python3", session.work), "-c",
                             "import os, time; print('pid', os.getpid(), flush=True)\n"
                             "while True: time.sleep(1)")
        with open(f"{mount}/{pid}/python:gc__start/sites", encoding="ascii") as sites:
            offset = re.search(r"\+(0x[0-9a-f]+)", sites.readline()).group(1)
        compare_tools(session, mount, pid, offset, events)


main()
