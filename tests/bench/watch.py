#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What it costs a process that one of its probes is watched: CPU time for each firing, beside
bpftrace, which counts or prints the same. And how many lines a second get through to a reader, how
long it takes to attach to 10,000 sites and to detach, and until the first line. Beside it, what
the kernel alone takes, for a program that does nothing.
"""
import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time

import bench

FIRINGS = 1000 if bench.TINY else 200000
RATE = 500000
WATCHER = os.path.join(bench.TARGETS, "watcher")


class Fire:
    def __init__(self, session, count):
        self.count = count
        self.child = subprocess.Popen([os.path.join(bench.PROGRAMS, "fire"), str(count), str(RATE)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        session.children.append(self.child)
        self.pid = int(self.child.stdout.readline().split()[1])

    def ask(self, what):
        """Nanoseconds of CPU time, and of time, for each firing."""
        self.child.stdin.write(what)
        self.child.stdin.flush()
        return [int(word) / self.count for word in self.child.stdout.readline().split()]


class Tool:
    """A watcher or bpftrace that watches, until it is told to end."""

    def __init__(self, session, command, sign):
        self.out = f"{session.work}/tool.out"
        with open(self.out, "wb") as out:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT)
        bench.until(lambda: sign in self.said(), f"{command[0]} to watch")

    def said(self):
        with open(self.out, "rb") as out:
            return out.read()

    def end(self, number):
        """bpftrace sometimes misses a signal: it is sent until that ends it."""
        deadline = time.monotonic() + 60
        while self.child.poll() is None and time.monotonic() < deadline:
            self.child.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(3)
        self.child.wait(1)


class Nothing:
    """A program that does nothing, attached to a probe by one call of the kernel."""

    def __init__(self, fire, name):
        command = [os.path.join(bench.PROGRAMS, "attach"), str(fire.pid), f"bench:{name}"]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.attached = int(self.child.stdout.readline())

    def end(self):
        self.child.communicate(timeout=60)


def nothing(fire):
    def measure():
        attached = Nothing(fire, "two")
        spent, _ = fire.ask(b"n")
        attached.end()
        return spent
    return measure


def ours(session, fire, name, *options):
    def measure():
        tool = Tool(session, [WATCHER, *options, str(fire.pid), f"bench:{name}"], b"watching")
        spent, _ = fire.ask(b"s" if name == "text" else b"n")
        tool.end(signal.SIGTERM)
        return spent
    return measure


def bpftraces(session, fire, name, action):
    """It raises the semaphore before it listens, and a signal before that is lost: it says when it
    does."""
    def measure():
        program = os.path.join(bench.PROGRAMS, "fire")
        script = (f"usdt:{program}:bench:{name} {{ {action} }}"
                  r' interval:ms:20 /!@ready/ { @ready = 1; printf("ready\n"); }')
        command = ["bpftrace", "-B", "line", "-p", str(fire.pid), "-e", script]
        tool = Tool(session, command, b"ready")
        spent, _ = fire.ask(b"s" if name == "text" else b"n")
        tool.end(signal.SIGINT)
        return spent
    return measure


def compare_costs(session):
    fire = Fire(session, FIRINGS)
    samples = bench.take_turns(bench.rounds(9), {
        "nobody": lambda: fire.ask(b"n")[0],
        "nothing": nothing(fire),
        "count": ours(session, fire, "two", "-c"),
        "their count": bpftraces(session, fire, "two", "@ = count();"),
        "line": ours(session, fire, "two"),
        "their line": bpftraces(session, fire, "two", r'printf("%d %d\n", arg0, arg1);'),
        "text": ours(session, fire, "text"),
        "their text": bpftraces(session, fire, "text", r'printf("%d %s\n", arg0, str(arg1));')})
    for what, ours_is, peer, goal in (("a firing, counted", "count", "bpftrace's count()", 1.0),
                                      ("a firing, as a line", "line", "bpftrace's printf()", 0.5),
                                      ("a firing, with a string", "text",
                                       "bpftrace's str()", 0.35)):
        session.compare(what, samples[ours_is], peer, samples[f"their {ours_is}"], at_most=goal)
        session.compare(what, samples[ours_is], "a program that does nothing", samples["nothing"])
    session.compare("a firing, while nobody watches", samples["nobody"], "counted",
                    samples["count"])


def count_lines(session):
    """How much is lost, and how much is read, at a rate of firings."""
    fire = Fire(session, 10 * FIRINGS)
    tool = Tool(session, [WATCHER, str(fire.pid), "bench:two"], b"watching")
    _, spent = fire.ask(b"r")
    bench.until(lambda: tool.said().count(b" bench:two ") > 0, "the first line")
    tool.end(signal.SIGTERM)
    missed = int(tool.said().rsplit(b"missed ", 1)[1])
    session.count("lines through a reader", {
        "wanted a second": RATE, "fired a second": round(1e9 / spent), "fired": fire.count,
        "lost": missed})


def count_lines_of_cat(session):
    """The same through `cat` on the mount: server, worker and cat beside the program that fires."""
    mount = session.probefs()
    fire = Fire(session, 10 * FIRINGS)
    out = f"{session.work}/cat.out"
    with open(out, "wb") as file:
        cat = subprocess.Popen(["cat", f"{mount}/{fire.pid}/bench:two/trace"],
                               stdin=subprocess.DEVNULL, stdout=file)
    session.children.append(cat)
    semaphore = f"{mount}/{fire.pid}/bench:two/semaphore"

    def is_watched():
        with open(semaphore, encoding="ascii") as file:
            return file.read() != "0\n"
    bench.until(is_watched, "cat to watch")
    _, spent = fire.ask(b"r")
    lines = lost = 0

    def is_complete():
        nonlocal lines, lost
        with open(out, "rb") as file:
            text = file.read()
        lines = text.count(b" bench:two ")
        lost = sum(int(number) for number in re.findall(rb"^# lost (\d+)$", text, re.MULTILINE))
        return lines + lost == fire.count
    bench.until(is_complete, "all lines", 60)
    cat.terminate()
    cat.wait(60)
    session.count("lines through cat on the mount", {
        "wanted a second": RATE, "fired a second": round(1e9 / spent), "fired": fire.count,
        "lines": lines, "lost": lost})
    session.stop(mount)


def compare_sites(session):
    """Until 10,000 sites are watched, and until they are left alone, as a whole command."""
    pid = session.target(session.many(100 if bench.TINY else 10000, 1))
    spent = {"attach": [], "detach": []}
    for _ in range(bench.rounds(9)):
        start = bench.now()
        tool = Tool(session, [WATCHER, "-c", str(pid)], b"watching")
        watching = bench.now()
        spent["attach"].append(watching - start)
        begin = bench.now()
        tool.end(signal.SIGTERM)
        spent["detach"].append(bench.now() - begin)
    session.compare("10,000 sites: start, look, attach", spent["attach"], "detach, end",
                    spent["detach"])


class FirstLine:
    """How long it takes from the start of a reader to its first line, of a probe that fires all the
    time. Before each, the kernel has come to rest from what was attached before."""

    def __init__(self, session):
        self.session = session
        self.fire = Fire(session, 10 ** 9)
        self.fire.child.stdin.write(b"r")
        self.fire.child.stdin.flush()
        self.mount = session.probefs()

    def of(self, *command):
        time.sleep(0.3)
        start = bench.now()
        reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        select.select([reader.stdout], [], [], 20)
        spent = bench.now() - start
        reader.terminate()
        reader.communicate(timeout=60)
        return spent

    def cat(self, mount=None):
        return self.of("cat", f"{mount or self.mount}/{self.fire.pid}/bench:two/trace")

    def cat_first(self):
        """The first stream of a server."""
        mount = self.session.probefs()
        spent = self.cat(mount)
        self.session.stop(mount)
        return spent

    def library(self):
        return self.of(WATCHER, str(self.fire.pid), "bench:two")

    def kernel(self):
        time.sleep(0.3)
        attached = Nothing(self.fire, "two")
        attached.end()
        return attached.attached


def first_line(session):
    first = FirstLine(session)
    samples = bench.take_turns(bench.rounds(15), {
        "cat": first.cat, "first cat": first.cat_first, "library": first.library,
        "kernel": first.kernel})
    session.compare("the first line, from cat trace", samples["cat"], "50 ms", [5e7], at_most=1)
    session.compare("the first line of a server, from cat trace", samples["first cat"], "50 ms",
                    [5e7], at_most=1)
    session.compare("the first line, from a start of the library", samples["library"], "50 ms",
                    [5e7], at_most=1)
    session.compare("the first line, from cat trace", samples["cat"], "the kernel's attach alone",
                    samples["kernel"])


def main():
    if not shutil.which("bpftrace"):
        raise SystemExit("this benchmark needs bpftrace")
    with bench.Session("watch") as session:
        compare_costs(session)
        count_lines(session)
        count_lines_of_cat(session)
        compare_sites(session)
        first_line(session)


if __name__ == "__main__":
    main()
