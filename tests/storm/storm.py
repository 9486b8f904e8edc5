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


def check_end(target):
    """References and holds are all given back, and sites agree with counters."""
    target.check_text()
    for name in ("counted", "held", "shared"):
        demand(target.counter(name) == 0,
               f"{target.pid}: '{name}' is {target.counter(name)} at the end, and not 0")
    for name, state in target.states().items():
        demand(state != "X", f"{target.pid}: '{name}' is X at the end")
    demand(watch.is_free(target.pid), f"{target.pid} was left stopped")


def run(options):
    actors = stage.Stage(options)
    targets = actors.tallies()
    servers = [stage.Server(actors, f"mnt{i}") for i in range(options.servers)]
    for server in servers:
        server.wait(*targets)
    trees = [f"{server.mount}/{target.pid}" for server in servers for target in targets]
    writers = actors.writers(options.seed, options.seconds * 1000, trees)
    looks = compared = 0
    while writers.poll() is None:
        for target in targets:
            compared = target.check_text()
            looks += 1
        time.sleep(0.1)
    said = actors.finish(writers)
    for target in targets:
        check_end(target)
        target.end()
    for server in servers:
        server.end()
    print(f"{options.seconds} s, seed {options.seed}: {said}; {looks} times {compared} bytes of "
          f"code compared")


def main():
    parser = stage.parser(__doc__)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--seconds", type=int, required=True)
    stage.main(run, parser.parse_args())


main()
