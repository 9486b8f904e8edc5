#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills the server at random moments of a storm, and mounts it again over what is left.

After each death: every target runs, none of its threads is stopped or traced, its code is that of
its file; holds are given back although nobody is left to ask for it; and through the next server
every state can be read, and what is X be mended by one write. The last server is unmounted, and has
to end with success.

So that deaths fall into updates, and not only between them, two more targets are switched as a
whole all the time, which takes thousands of writes each.
"""
import contextlib
import os
import random
import threading
import time

import stage
import watch
from watch import demand

# Until when a hold of a dead server has to be gone: a second, and what a busy machine adds to it.
RELEASE_SECONDS = 5.0


def switch_on_and_off(path):
    """Until it fails, as it does when the server is killed."""
    with contextlib.suppress(OSError):
        while True:
            for value in "10":
                with open(path, "w", encoding="ascii") as file:
                    file.write(value)


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
        threads = [threading.Thread(target=switch_on_and_off,
                                    args=(f"{self.tree(target)}/enabled",))
                   for target in self.broad]
        for thread in threads:
            thread.start()
        return threads

    def kill(self, moment):
        """Ends the server in the middle of a storm; nobody but its workers is left then."""
        trees = [self.tree(target) for target in self.targets]
        writers = self.actors.writers(self.random.getrandbits(32), 60000, trees, "-k")
        switchers = self.switchers()
        time.sleep(moment)
        demand(writers.poll() is None, "the writers ended before the server did")
        workers = watch.workers_of(self.server.pid)
        self.held += any(target.counter("held") > 0 for target in self.targets)
        start = time.monotonic()
        self.server.kill()
        watch.wait_for(lambda: all(target.counter("held") == 0 for target in self.targets),
                       "holds to be given back", RELEASE_SECONDS)
        self.releases.append(time.monotonic() - start)
        self.actors.finish(writers)
        for switcher in switchers:
            switcher.join()
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
        with open(f"{self.tree(target)}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def state_in_tree(self, target, name):
        with open(f"{self.tree(target)}/{name}/enabled", encoding="ascii") as file:
            return file.read().strip()

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
        path = f"{self.tree(target)}/enabled"
        states = set(target.states().values())
        state = states.pop() if len(states) == 1 else "X"
        with open(path, encoding="ascii") as file:
            demand(file.read() == f"{state}\n",
                   f"{target.pid}: the tree does not say that it is {state} as a whole")
        self.torn += state == "X"
        wanted = self.random.choice("01")
        self.write(target, "enabled", wanted)
        demand(set(target.states().values()) == {wanted}, f"{target.pid}: it was not mended")

    def report(self, rounds):
        print(f"seed {self.options.seed}: killed {rounds} times, {self.held} times with holds; "
              f"{self.torn} targets that were half switched and {self.mixed} probes at X were "
              f"mended; holds were given back after "
              f"{max(self.releases):.3f} s at most, "
              f"{sorted(self.releases)[len(self.releases) // 2]:.3f} s in the median", flush=True)

    def __call__(self):
        self.mount()
        for i in range(self.options.rounds):
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
        demand(self.torn > 0, "none of the deaths fell into an update")
        self.report(self.options.rounds)


def main():
    parser = stage.parser(__doc__)
    parser.add_argument("--rounds", type=int, required=True)
    stage.main(lambda options: Killer(options)(), parser.parse_args())


main()
