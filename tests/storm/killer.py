#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills workers and servers in the middle of updates, and mounts again over what is left.

Two more targets than the storm's are switched as a whole all the time, which takes thousands of
writes each. Memory shows when such an update is half done: then its worker is stopped, and a death
that comes now has cut it off, for certain. In each round of a storm

- the worker is killed: the target is X, as a whole and in the tree, and one write mends it;
- the server is killed: every target runs, none of its threads is stopped or traced, its code is
  that of its file, and holds are given back although nobody is left to ask for it. The worker goes
  on, and ends when it has done what it was at. Through the next server every state can be read, and
  what is X be mended by one write.

The last server is unmounted, and has to end with success.
"""
import errno
import itertools
import os
import pathlib
import random
import signal
import threading
import time

import stage
import watch
from watch import demand

# Until when a hold of a dead server has to be gone: a second, and what a busy machine adds to it.
RELEASE_SECONDS = 5.0


# Until when an update has to be met.
AIM_SECONDS = 60.0


def write_once(path, text):
    """One write(2): Python's files write again what failed when they are closed."""
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


class Switcher(threading.Thread):
    """Switches all of a target on and off until it is told to end, or the server is killed."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.ending = False
        self.start()

    def run(self):
        for value in itertools.cycle("10"):
            if self.ending:
                return
            try:
                write_once(self.path, value)
            except OSError as error:
                if error.errno in (errno.ENOTCONN, errno.ECONNABORTED):
                    return

    def end(self):
        self.ending = True
        self.join()


class Killer:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.actors = stage.Stage(options)
        self.targets = self.actors.tallies()
        self.broad = self.actors.broad()
        self.releases, self.mixed, self.torn, self.held = [], 0, 0, 0
        self.server = None

    def mount(self):
        self.server = stage.Server(self.actors)
        self.server.wait(*self.targets, *self.broad)

    def tree(self, target):
        return f"{self.server.mount}/{target.pid}"

    def switchers(self):
        return [Switcher(f"{self.tree(target)}/enabled") for target in self.broad]

    def stop_switching(self, target):
        """
        Stops TARGET's workers in the middle of an update, after which none follows. The server may
        find them late, and end them, before the switcher has heard that it is to end.
        """
        while True:
            switcher = Switcher(f"{self.tree(target)}/enabled")
            workers = watch.stop_between(self.server.pid, target, AIM_SECONDS)
            switcher.ending = True
            if watch.are_stopped(workers):
                return switcher, workers
            switcher.join()

    def kill_worker(self, target):
        """Cuts off an update by the worker's death: that leaves TARGET half switched."""
        switcher, workers = self.stop_switching(target)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        watch.wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers),
                       "the workers to end", AIM_SECONDS)
        switcher.join()
        self.check_targets()
        demand(target.is_between(), f"{target.pid} is not half switched")
        self.mend_whole(target)

    def kill(self, moment):
        """Ends the server in a storm and an update; nobody but its workers is left then."""
        trees = [self.tree(target) for target in self.targets]
        writers = self.actors.writers(self.random.getrandbits(32), 60000, trees, "-k")
        switchers = self.switchers()
        time.sleep(moment)
        demand(writers.poll() is None, "the writers ended before the server did")
        watch.stop_between(self.server.pid, self.random.choice(self.broad), AIM_SECONDS)
        workers = watch.workers_of(self.server.pid)
        self.held += any(target.counter("held") > 0 for target in self.targets)
        start = time.monotonic()
        self.server.kill()
        watch.wait_for(lambda: all(target.counter("held") == 0 for target in self.targets),
                       "holds to be given back", RELEASE_SECONDS)
        self.releases.append(time.monotonic() - start)
        self.actors.finish(writers)
        for switcher in switchers:
            switcher.end()
        watch.wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers),
                       "the workers to end")

    def check_targets(self):
        for target in self.targets + self.broad:
            demand(watch.is_free(target.pid),
                   f"{target.pid} was left stopped: {watch.threads_of(target.pid)}")
            target.check_text()
        for target in self.targets:
            demand(target.state("held") == "0", "a hold that was given back left its probe on")

    def write(self, target, name, text):
        watch.until_in_time(lambda: write_once(f"{self.tree(target)}/{name}", text))

    def state_in_tree(self, target, name=""):
        path = pathlib.Path(self.tree(target), name, "enabled")
        return watch.until_in_time(path.read_text).strip()

    def mend(self, target):
        """One write brings what is X to what was written, and all to off at the end."""
        for name, state in target.states().items():
            demand(self.state_in_tree(target, name) == state,
                   f"{target.pid}: the tree does not say that '{name}' is {state}")
            if state != "X":
                continue
            self.mixed += 1
            wanted = self.random.choice("01")
            self.write(target, f"{name}/enabled", wanted)
            demand(target.state(name) == wanted, f"{target.pid}: '{name}' was not mended")
        self.write(target, "enabled", "0\n")
        demand(set(target.states().values()) == {"0"},
               f"{target.pid}: not all is off: {target.states()}")

    def mend_whole(self, target):
        """The same of all probes at once."""
        states = set(target.states().values())
        state = states.pop() if len(states) == 1 else "X"
        demand(self.state_in_tree(target) == state,
               f"{target.pid}: the tree does not say that it is {state} as a whole")
        self.torn += state == "X"
        wanted = self.random.choice("01")
        self.write(target, "enabled", wanted)
        demand(set(target.states().values()) == {wanted}, f"{target.pid}: it was not mended")

    def report(self, rounds):
        print(f"seed {self.options.seed}: killed {rounds} times in an update, {self.held} times "
              f"with holds; {self.torn} targets that were half switched and {self.mixed} probes "
              f"at X were mended; holds were given back after "
              f"{max(self.releases):.3f} s at most, "
              f"{sorted(self.releases)[len(self.releases) // 2]:.3f} s in the median", flush=True)

    def __call__(self):
        self.mount()
        for i in range(self.options.rounds):
            self.kill_worker(self.random.choice(self.broad))
            # Early moments, in which files are opened for the first time, as well as later ones.
            self.kill(self.random.random() ** 2 * 0.6)
            self.check_targets()
            self.mount()
            for target in self.targets:
                self.mend(target)
            for target in self.broad:
                self.mend_whole(target)
            if i % 50 == 49:
                self.report(i + 1)
        for target in self.targets:
            target.end()
        for target in self.broad:
            target.child.kill()
            target.child.wait()
        self.server.end()
        demand(self.held > 0, "at none of the deaths was anything held")
        demand(self.torn >= self.options.rounds, "a death left nothing half switched")
        self.report(self.options.rounds)


def main():
    parser = stage.parser(__doc__)
    parser.add_argument("--rounds", type=int, required=True)
    stage.main(lambda options: Killer(options)(), parser.parse_args())


main()
