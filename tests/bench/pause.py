#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long a process is kept from running while one of its probes is switched.

It says so itself: one of its threads looks at the clock all the time. The peer is a program that
seizes, interrupts, waits for, and lets go all threads, and does nothing meanwhile. With engine=vm
nothing stops; what is seen then is what the machine does to a program that is left alone.
"""
import os
import statistics

import bench

PLOT = "pause of a process while a probe is switched"


class Paused(bench.Helper):
    def __init__(self, session, threads):
        super().__init__(session, "paused", str(threads))
        self.pid = int(self.child.stdout.readline().split()[1])

    def during(self, action):
        """The longest time that it did not run during ACTION."""
        self.ask()
        action()
        return self.ask()


class Switch:
    def __init__(self, path):
        self.path = path
        self.on = False

    def __call__(self):
        self.on = not self.on
        with open(self.path, "w", encoding="ascii") as file:
            file.write("1" if self.on else "0")


def main():
    with bench.Session("pause") as session:
        stopping = session.probefs("-o", "engine=ptrace")
        running = session.probefs()
        for threads in (1, 4) if bench.TINY else (1, 2, 16, 64, 512):
            paused = Paused(session, threads)
            raw = bench.Helper(session, "raw", "stop", str(paused.pid), "-")
            stop = Switch(f"{stopping}/{paused.pid}/paused/enabled")
            run = Switch(f"{running}/{paused.pid}/paused/enabled")
            samples = bench.take_turns(bench.rounds(101), {
                "engine=ptrace": lambda p=paused, s=stop: p.during(s),
                "raw": lambda p=paused, r=raw: p.during(r.ask),
                "engine=vm": lambda p=paused, s=run: p.during(s),
                "left alone": lambda p=paused: p.during(lambda: os.sched_yield())})
            for line, times in samples.items():
                session.point(PLOT, "threads", line, threads, times)
            many = f"{threads} thread{'s' * (threads > 1)}"
            session.compare(f"pause, {many}", samples["engine=ptrace"], "raw loop", samples["raw"],
                            at_most=1.3)
            session.count(f"longest pause, in ns, with {many}", {
                line: round(statistics.median(samples[line]))
                for line in ("engine=vm", "left alone")})
            paused.child.kill()


main()
