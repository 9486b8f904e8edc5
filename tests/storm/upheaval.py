#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Targets that die, exec, fork, unload a library or get traced while their probes are switched.

See tests/targets/upheaval.c for what a target does. Two threads switch a probe through descriptors
that stay open, and one by its path, until they have made so many updates. What they may be answered
is written down with each act; all else is a failure. Descriptors and memory of the server and its
workers are counted when a third of the updates are done, and at the end. A witness, a process that
is stopped, must have the same memory at the end. With --exact the target is stopped for each update
(engine=ptrace), and nothing may be written to where a library was.
"""
import collections
import errno
import os
import random
import signal
import subprocess
import threading
import time

import stage
import watch
from watch import demand

# What a server may have more at the end: files that are kept for what comes next, and KiB.
MORE_FILES, MORE_MEMORY = 48, 2048


class Program:
    """A target that does what it is told."""

    def __init__(self, run, mount):
        self.process = run.actors.start(run.user, "upheaval", "-l",
                                        f"{run.options.programs}/libplug.so")
        self.pid = self.process.pid
        self.tree = f"{mount}/{self.pid}"

    def answer(self):
        return self.process.stdout.readline().decode().strip()

    def tell(self, command):
        self.process.stdin.write(command)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Hammer(threading.Thread):
    """Switches a probe of a tree until it is told to stop, or nothing of it is left."""

    def __init__(self, tree, probe, by_path, counts):
        super().__init__(daemon=True)
        self.path = f"{tree}/{probe}/enabled"
        self.by_path, self.counts = by_path, counts
        self.fd = -1 if by_path else self.open()
        self.stop = False
        self.gone = 0
        self.error = None

    def open(self):
        return os.open(self.path, os.O_WRONLY | os.O_TRUNC)

    def update(self, text):
        fd = self.fd
        try:
            if self.by_path:
                fd = self.open()
            os.write(fd, text)
            answer = "OK"
        except OSError as error:
            answer = errno.errorcode[error.errno]
        finally:
            if self.by_path and fd >= 0:
                os.close(fd)
        self.counts["path" if self.by_path else "fd", answer] += 1
        return answer

    def run(self):
        texts = [b"1", b"0\n"]
        try:
            while not self.stop and self.gone < 3:
                answer = self.update(texts[0])
                texts.reverse()
                if answer == "ESRCH" and not self.by_path:
                    self.gone += 1
                demand(not self.gone or answer == "ESRCH" or self.by_path,
                       f"a descriptor of a target that has gone answers {answer}")
        except (watch.Failure, OSError) as error:
            self.error = error

    def finish(self, gone=False):
        """Ends it; with GONE, a descriptor has to have seen the end of its target by itself."""
        if not gone or self.by_path:
            self.stop = True
        self.join(10)
        demand(not self.is_alive(), f"an update of {self.path} hangs")
        if self.fd >= 0:
            os.close(self.fd)
        if self.error:
            raise self.error


class Run:
    def __init__(self, options, user):
        self.options, self.user = options, user
        self.random = random.Random(options.seed)
        self.actors = stage.Stage(options)
        self.server = stage.Server(self.actors)
        self.server.wait()
        self.counts = collections.Counter()
        self.acts = 0
        self.before = self.after = None

    def updates(self):
        return sum(self.counts.values())

    def done(self):
        if self.before is None and self.updates() > self.options.updates / 3:
            self.before = self.settled()
        return self.before is not None and self.updates() >= self.options.updates

    def settled(self):
        """What the server has when all its files are closed, and a listing has shown what ended."""
        os.listdir(self.server.mount)
        time.sleep(0.3)
        return watch.Usage(self.server.pid)

    def moment(self):
        time.sleep(self.random.random() ** 3 * 0.01)

    def program(self):
        return Program(self, self.server.mount)

    def hammers(self, program, probe="churned", by_fd=2, by_path=1):
        hammers = [Hammer(program.tree, probe, i >= by_fd, self.counts)
                   for i in range(by_fd + by_path)]
        for hammer in hammers:
            hammer.start()
        return hammers

    def finish(self, hammers, gone=False):
        for hammer in hammers:
            hammer.finish(gone)

    def expect(self, **allowed):
        """Nothing was answered but OK and what is ALLOWED."""
        for (way, answer), count in self.counts.items():
            demand(answer == "OK" or answer in allowed.get(way, ()),
                   f"{count} updates by {way} were answered with {answer}")

    # ---- the acts ----

    def die(self):
        """An open descriptor answers ESRCH from then on, a path ENOENT."""
        while not self.done():
            program = self.program()
            hold = os.open(f"{program.tree}/steady/hold", os.O_WRONLY)
            hammers = self.hammers(program)
            self.moment()
            program.end()
            self.finish(hammers, gone=True)
            os.close(hold)
            self.acts += 1
        self.expect(fd=["ESRCH"], path=["ENOENT", "ESRCH"])

    def exec(self):
        """
        An open descriptor answers ESRCH from then on. Nobody asks by path: so the new image, which
        looks at its probes, can only have been changed through a descriptor of the old one.
        """
        program = self.program()
        while not self.done():
            hold = os.open(f"{program.tree}/steady/hold", os.O_WRONLY)
            hammers = self.hammers(program, by_path=0)
            self.moment()
            program.tell(b"e")
            answer = program.answer()
            self.finish(hammers, gone=True)
            os.close(hold)
            demand(answer == "new untouched", f"after exec: '{answer}'")
            self.acts += 1
        program.end()
        self.expect(fd=["ESRCH"])

    def fork(self):
        """Nothing fails, and a child is not reached by its parent's updates."""
        program = self.program()
        hammers = self.hammers(program)
        while not self.done():
            self.moment()
            program.tell(b"f")
            answer = program.answer()
            demand(answer == "child untouched", f"after fork: '{answer}'")
            self.acts += 1
        self.finish(hammers)
        program.end()
        self.expect()

    def unload(self):
        """
        ENOENT while the library is not there. Its place is never written to by engine=ptrace;
        with engine=vm there is a moment between the check and the write that nobody can close.
        """
        program = self.program()
        touched = 0
        hammers = []
        while not self.done():
            program.tell(b"l")
            answer = program.answer()
            touched += answer == "place touched"
            demand(answer in ("loaded", "unloaded", "place touched"), f"the target: '{answer}'")
            if not hammers:
                hammers = self.hammers(program, "plug_hit", by_fd=1, by_path=2)
                hammers += self.hammers(program, by_fd=1)
            self.moment()
            self.acts += 1
        self.finish(hammers)
        program.end()
        self.expect(fd=["ENOENT"], path=["ENOENT"])
        print(f"writes to where the library was: {touched}")
        demand(touched == 0 or not self.options.exact, "a closed library's place was written to")

    def trace(self):
        """EBUSY where the target has to be stopped, and is traced already; else nothing fails."""
        program = self.program()
        tracers = [[f"{self.options.programs}/tracer", str(program.pid), "3000"],
                   ["timeout", "-s", "INT", "0.1", "strace", "-f", "-p", str(program.pid)],
                   ["gdb", "-nx", "-batch", "-p", str(program.pid)]]
        hammers = self.hammers(program)
        while not self.done() or self.acts < 40:
            # The slow ones now and then.
            command = tracers[1 if self.acts % 10 == 7 else 2 if self.acts % 40 == 23 else 0]
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False, timeout=60 * watch.SLOWNESS)
            self.moment()
            self.acts += 1
        self.finish(hammers)
        demand(watch.is_free(program.pid), "the target was left stopped")
        program.end()
        self.expect(**({"fd": ["EBUSY"], "path": ["EBUSY"]} if self.options.exact else {}))

    def check_usage(self):
        def fits():
            self.after = self.settled()
            return not self.after.has_grown(self.before, MORE_FILES, MORE_MEMORY)
        try:
            watch.wait_for(fits, "descriptors and memory as before")
        finally:
            print(f"after a third: {self.before}\nat the end: {self.after}")

    def __call__(self):
        witness = self.actors.start(None, "demo-ocaml_1", "-q")
        witness.send_signal(signal.SIGSTOP)
        watch.wait_for(lambda: watch.threads_of(witness.pid)[0][1] == "T", "the witness to stop")
        memory = watch.memory_of(witness.pid)
        getattr(self, self.options.act)()
        self.check_usage()
        demand(watch.memory_of(witness.pid) == memory, "the witness was changed")
        witness.kill()
        self.server.end()
        answers = ", ".join(f"{count} {answer} by {way}"
                            for (way, answer), count in sorted(self.counts.items()))
        print(f"{self.user or 'root'}: {self.acts} times {self.options.act} in {self.updates()} "
              f"updates, seed {self.options.seed}: {answers}")


def run_both(options):
    """For a target that the server serves itself, and for one that a worker does."""
    for user in (None, options.user):
        Run(options, user)()


def main():
    parser = stage.parser(__doc__)
    parser.add_argument("act", choices=["die", "exec", "fork", "unload", "trace"])
    parser.add_argument("--updates", required=True, type=int)
    parser.add_argument("--exact", action="store_true")
    stage.main(run_both, parser.parse_args())


main()
