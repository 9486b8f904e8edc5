#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills a worker that keeps holds and its server, one just after the other: nobody has taken the
holds over by then.

Each round mounts a server, holds probes of a process of root's and of one of a user's, and adds
references that are no holds. Then the workers are killed, and the server 0 to 30 milliseconds later. The
holds, and they alone, have to be gone within a second, and none of them twice.
"""
import contextlib
import os
import pathlib
import random
import signal
import time

import stage
import watch
from watch import demand

# How long another worker may take to start: the moments between the two deaths are up to that.
BETWEEN_SECONDS = 0.03

# Until when holds have to be gone.
RELEASE_SECONDS = 1.0

PROBES = ("gc_start", "request")


class Demo(watch.Target):
    """A target with a few probes."""

    def __init__(self, actors, user=None):
        self.child = actors.start(user, "demo-ocaml_1", "-q")
        super().__init__(self.child.pid)

    def values(self):
        return [self.counter(name) for name in PROBES]


def probefs_processes():
    """All that run the server's program: nobody else is in this pid namespace."""
    result = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.basename(os.readlink(f"/proc/{name}/exe")) == "probefs":
                result.append(int(name))
        except OSError:
            continue
    return result


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # one that was idle
            os.kill(pid, signal.SIGKILL)


class Orphans:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.actors = stage.Stage(options)
        self.targets = [Demo(self.actors), Demo(self.actors, options.user)]
        self.releases = []

    def take(self, server):
        """Returns what is open, and what the counters have to be when it is closed."""
        holds, expected = [], []
        for target in self.targets:
            for name in PROBES:
                folder = pathlib.Path(server.mount, str(target.pid), name)
                others = self.random.randint(0, 2)
                if others:
                    (folder / "semaphore").write_text(f"{others}\n", encoding="ascii")
                expected.append(others)
                # Some hold the same counters from the same value on, some do not.
                holds += [os.open(folder / "hold", os.O_WRONLY)
                          for _ in range(self.random.randint(1, 3))]
        return holds, expected

    def values(self):
        return [value for target in self.targets for value in target.values()]

    @staticmethod
    def kill_both(server, moment):
        """
        Workers first: one that dies while it gives holds back, after its server, may have done so
        without having said it. See doc/RELIABILITY.md.
        """
        workers = watch.workers_of(server.pid)
        demand(workers, "there are no workers")
        kill(workers)
        end = time.monotonic() + moment
        while time.monotonic() < end:
            pass
        server.kill()

    def round(self, moment):
        server = stage.Server(self.actors)
        server.wait(*self.targets)
        holds, expected = self.take(server)
        self.kill_both(server, moment)
        try:
            self.releases.append(
                watch.wait_for(lambda: self.values() == expected, "the holds", RELEASE_SECONDS))
        except watch.Failure as failure:
            raise watch.Failure(f"{failure}: the counters are {self.values()}, and have to be "
                                f"{expected}") from None
        for hold in holds:
            try:
                os.close(hold)
            except OSError:
                pass  # the mount is dead
        watch.wait_for(lambda: not probefs_processes(), "all processes of the server to end")
        demand(self.values() == expected, f"{self.values()} became of {expected}")
        for target in self.targets:
            demand(watch.is_free(target.pid), f"{target.pid} was left stopped")
            demand(all(target.state(name) != "X" for name in PROBES), f"{target.pid} is at X")
        self.reset()

    def reset(self):
        """Switches all off, by another server."""
        server = stage.Server(self.actors)
        server.wait(*self.targets)
        for target in self.targets:
            pathlib.Path(server.mount, str(target.pid), "enabled").write_text("0\n",
                                                                             encoding="ascii")
        server.end()

    def __call__(self):
        for i in range(self.options.rounds):
            self.round(BETWEEN_SECONDS * i / self.options.rounds)
        for target in self.targets:
            target.child.kill()
            target.child.wait()
        print(f"seed {self.options.seed}: {self.options.rounds} rounds; holds were gone after "
              f"{max(self.releases):.3f} s at most, "
              f"{sorted(self.releases)[len(self.releases) // 2]:.3f} s in the median")


def main():
    parser = stage.parser(__doc__)
    parser.add_argument("--rounds", type=int, required=True)
    stage.main(lambda options: Orphans(options)(), parser.parse_args())


main()
