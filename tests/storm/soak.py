#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server under all that users do, for long: its memory and descriptors have to stay as they are.

Round after round: a storm of writers over two targets; processes that are switched and held, exec
and end; a listing of everything, and reading all files. After each round, descriptors and memory of
the server and its workers are counted. The first quarter of the rounds is for what is kept; of the
others, the last ones may not have more than the first ones.
"""
import os
import pathlib
import random
import statistics
import subprocess
import time

import stage
import watch
from watch import demand

STORM_MS = 2000

# What may be more: files that are kept of what has ended until so many have come that it is worth a
# look, channels that are kept for what comes next, and KiB of memory besides that of threads that
# came: a buffer takes memory when it is first needed.
MORE = {"files": 48, "channels": 32, "memory": 4096}


class Soak:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.actors = stage.Stage(options)
        self.targets = self.actors.tallies()
        self.server = stage.Server(self.actors)
        self.server.wait(*self.targets)
        self.usages = []
        self.programs = self.late = 0

    def storm(self):
        trees = [f"{self.server.mount}/{target.pid}" for target in self.targets]
        writers = self.actors.writers(self.random.getrandbits(32), STORM_MS, trees)
        _, in_time = self.actors.finish(writers)
        for target, tree in zip(self.targets, trees):
            target.check_text()
            if not in_time:
                self.late += 1
                pathlib.Path(f"{tree}/enabled").write_text("0\n", encoding="ascii")
            for name in ("counted", "held", "shared"):
                demand(target.counter(name) == 0, f"{target.pid}: '{name}' is not 0")

    def switch_and_hold(self, tree):
        """Returns the hold, or -1 where the server was late: a machine can be that busy."""
        try:
            fd = os.open(f"{tree}/churned/enabled", os.O_WRONLY)
            try:
                os.write(fd, b"1\n")
            finally:
                os.close(fd)
            return os.open(f"{tree}/steady/hold", os.O_WRONLY)
        except TimeoutError:
            self.late += 1
            return -1

    def come_and_go(self):
        """A process that is switched and held, then execs, is switched and held again, and ends."""
        user = self.random.choice([None, self.options.user])
        with self.actors.start(user, "upheaval") as program:
            for last in (False, True):
                hold = self.switch_and_hold(f"{self.server.mount}/{program.pid}")
                if last:
                    program.kill()
                else:
                    program.stdin.write(b"e")
                    program.stdout.readline()
                if hold >= 0:
                    os.close(hold)
        self.programs += 1

    def read_all(self):
        subprocess.run(["grep", "-r", "-s", ".", self.server.mount], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, check=False)

    def round(self):
        self.storm()
        for _ in range(10):
            self.come_and_go()
        self.read_all()
        os.listdir(self.server.mount)
        time.sleep(0.3)
        self.usages.append(watch.Usage(self.server.pid))

    def check(self):
        quarter = max(1, len(self.usages) // 4)
        first, last = self.usages[quarter:2 * quarter], self.usages[-quarter:]

        def medians(what):
            return [statistics.median(getattr(usage, what) for usage in usages)
                    for usages in (first, last)]

        threads = medians("threads")
        for what, more in MORE.items():
            before, after = medians(what)
            print(f"{what}: {before:.0f} in the second quarter, {after:.0f} in the last")
            if what == "memory":
                # Sanitizers take their part of it.
                more = max(more, before // 4)
                more += max(0, threads[1] - threads[0]) * watch.THREAD_MEMORY
            demand(after <= before + more, f"{what} have grown")

    def __call__(self):
        end = time.monotonic() + self.options.seconds
        while time.monotonic() < end or len(self.usages) < 4:
            self.round()
            if len(self.usages) in (1, 2) or len(self.usages) % 50 == 0:
                print(f"round {len(self.usages)}: {self.usages[-1]}", flush=True)
        print(f"seed {self.options.seed}, {self.options.seconds} s: {len(self.usages)} storms of "
              f"{STORM_MS} ms, {self.programs} processes came and went, "
              f"{self.late} calls were late\nround {len(self.usages)}: "
              f"{self.usages[-1]}")
        self.check()
        for target in self.targets:
            target.end()
        self.server.end()


def main():
    parser = stage.parser(__doc__)
    parser.add_argument("--seconds", required=True, type=int)
    stage.main(lambda options: Soak(options)(), parser.parse_args())


main()
