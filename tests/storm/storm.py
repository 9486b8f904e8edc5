#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A storm of writers over two targets, through one server or several at once.

While they write, the code of the targets is compared with that of their files. At the end, what the
writers took and gave back has left no trace, and each pass of each target is accounted for.
"""
import time

import stage
import watch
from watch import demand

# How many storms are tried until there is one in which the machine was not too busy to answer.
TRIES = 5


def check_end(target):
    """References and holds are all given back, and sites agree with counters."""
    target.check_text()
    for name in ("counted", "held", "shared"):
        demand(target.counter(name) == 0,
               f"{target.pid}: '{name}' is {target.counter(name)} at the end, and not 0")
    for name, state in target.states().items():
        demand(state != "X", f"{target.pid}: '{name}' is X at the end")
    demand(watch.is_free(target.pid), f"{target.pid} was left stopped")


def rage(options, actors, servers, targets, seed):
    """One storm. Returns whether it was one in which nothing was late."""
    trees = [f"{server.mount}/{target.pid}" for server in servers for target in targets]
    writers = actors.writers(seed, options.seconds * 1000, trees)
    looks = compared = 0
    while writers.poll() is None:
        for target in targets:
            compared = target.check_text()
            looks += 1
        time.sleep(0.1)
    said, in_time = actors.finish(writers)
    print(f"{options.seconds} s, seed {seed}: {said}; {looks} times {compared} bytes of code "
          f"compared", flush=True)
    return in_time


def calm(server, targets):
    """All off, whatever is left of what nobody knows."""
    for target in targets:
        with open(f"{server.mount}/{target.pid}/enabled", "w", encoding="ascii") as file:
            file.write("0\n")


def run(options):
    actors = stage.Stage(options)
    targets = actors.tallies()
    servers = [stage.Server(actors, f"mnt{i}") for i in range(options.servers)]
    for server in servers:
        server.wait(*targets)
    seed = options.seed
    while not rage(options, actors, servers, targets, seed):
        demand(seed < options.seed + TRIES, "the machine is too busy for a storm")
        calm(servers[0], targets)
        seed += 1
    for target in targets:
        check_end(target)
        target.end()
    for server in servers:
        server.end()


def main():
    parser = stage.parser(__doc__)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--seconds", type=int, required=True)
    stage.main(run, parser.parse_args())


main()
