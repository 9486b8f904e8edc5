# SPDX-License-Identifier: MIT
"""Kills whoever has a part in a stream, at moments spread over its attach and its detach.

Two processes are watched: one of a user, by a site or two, and one of root, by 10,000 sites. How long
it takes to attach and to detach is measured first; then each round kills at its own moment of that:

- attach: the reader, the worker, the server, or the attacher and then the reader
- detach: the worker, the server or the attacher, after the reader was killed
- restart: the server, in either; another is mounted at once and watches the same to the end

After each kill sites and semaphores have to be as they were, within a tenth of a second (half a second
for 10,000 sites), and to stay so; no process may be left that holds something. A reader of
/proc/PID/mem that shares nothing with the engine looks, a thousand times a second.
"""
import contextlib
import os
import pathlib
import pwd
import signal
import statistics
import subprocess
import time

import image
import stage
import watch
from watch import demand

# For how long all has to be as before: what a dead worker asked for is attached after its death.
QUIET_SECONDS = 0.06

# How far behind the measured end of an attach or a detach kills go on.
OVERSHOOT = 1.15

SITE = 0x90


class Watched:
    """A process whose sites and semaphores are looked at."""

    def __init__(self, actors, user, deadline, name, *arguments):
        self.child = actors.start(user, name, *arguments)
        self.pid, self.user, self.deadline = self.child.pid, user, deadline
        self.process = image.Process(self.pid)
        self.sites, self.semaphores = [], []
        for elf, bias, _ in image.instances(self.process):
            for note in elf.notes():
                self.sites.append(note.site + bias)
                self.semaphores.append(note.semaphore + bias)
        demand(self.sites and all(self.byte(site) == SITE for site in self.sites),
               f"{name} has no sites to be watched")
        self.ranges = [self.range(self.sites, 1), self.range(self.semaphores, 2)]
        self.before = self.look()
        # Enough to tell that all is attached.
        self.sample = self.sites[::max(1, len(self.sites) // 40)] + self.sites[-1:]

    @staticmethod
    def range(addresses, size):
        return min(addresses), max(addresses) + size - min(addresses)

    def byte(self, address):
        return self.process.read(address, 1)[0]

    def look(self):
        return [self.process.read(*each) for each in self.ranges]

    def is_as_before(self):
        return self.look() == self.before

    def is_attached(self):
        return all(self.byte(site) != SITE for site in self.sample)

    def describe(self):
        sites = sum(self.byte(site) != SITE for site in self.sites)
        raised = sum(self.process.read(each, 2) != b"\0\0" for each in self.semaphores)
        return f"{sites} breakpoints and {raised} raised semaphores in {len(self.sites)} sites"

    def __str__(self):
        return f"{len(self.sites)} sites"


def named(program, name):
    """Processes of PROGRAM whose name for the kernel is NAME."""
    result = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if (pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name and
                    os.readlink(f"/proc/{pid}/exe") == program):
                result.append(int(pid))
    return result


def is_attacher(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"probefs-attacher")
    return False


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def spin_until(moment):
    while time.monotonic() < moment:
        pass


class Streams:
    def __init__(self, options):
        self.options = options
        self.actors = stage.Stage(options)
        self.program = os.path.realpath(f"{options.programs}/probefs")
        self.targets = [Watched(self.actors, options.user, 0.1, "burst", "-w", "1", "1"),
                        Watched(self.actors, None, 0.5, "many")]
        self.readers = []
        self.seen = False  # in the last round: something that was attached
        self.start_server()

    def start_server(self):
        self.server = stage.Server(self.actors)
        self.server.wait(*self.targets)
        # It says how probes are watched, which the attacher finds out.
        text = pathlib.Path(self.server.mount, "README").read_text(encoding="utf-8")
        demand("Probes are watched by" in text, "probes are not watched here")

    def start_reader(self, target):
        identity = {}
        if target.user:
            entry = pwd.getpwnam(target.user)
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        # pylint: disable=consider-using-with
        reader = subprocess.Popen(["cat", f"{self.server.mount}/{target.pid}/trace"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, **identity)
        self.readers.append(reader)
        return reader

    def end_readers(self):
        for reader in self.readers:
            reader.kill()
            reader.wait()
        self.readers = []

    def attach(self, target):
        """Begins to read, and returns how long it took until all was attached."""
        start = time.monotonic()
        reader = self.start_reader(target)
        watch.wait_for(target.is_attached, f"{target} to be attached", 10)
        demand(reader.poll() is None, "the reader has ended")
        return time.monotonic() - start

    def settle(self, target, since, what):
        """Waits until all is as before and stays so; returns when it came to be."""
        came = None
        self.seen = False
        while True:
            is_as_before, now = target.is_as_before(), time.monotonic()
            if not is_as_before:
                came = None
                self.seen = True
                late = now - since - target.deadline * watch.slowness_now()
                demand(late < 0, f"{what}: {target.describe()} after {now - since:.3f} s")
            elif came is None:
                came = now
            elif now - came > QUIET_SECONDS and not named(self.program, "probe-holder"):
                return came - since
            demand(came is None or now - came < 10 * watch.slowness_now(),
                   f"{what}: a holder stays")
            time.sleep(0.001)

    def measure(self, target):
        """How long it takes to attach and to detach."""
        attach, detach = [], []
        for _ in range(3):
            attach.append(self.attach(target))
            start = time.monotonic()
            self.end_readers()
            detach.append(self.settle(target, start, "nobody is killed"))
        print(f"{target}: attached in {statistics.median(attach):.3f} s from the start of cat, "
              f"detached in {statistics.median(detach):.3f} s", flush=True)
        return {"attach": statistics.median(attach), "detach": statistics.median(detach)}

    def find(self, who, target):
        if who == "worker":
            # Idle ones end.
            with open(f"{self.server.mount}/{target.pid}/info", "rb") as info:
                info.read()
            return watch.workers_for(self.server.pid, target)
        if who == "attacher":
            return [pid for pid in watch.children_of(self.server.pid) if is_attacher(pid)]
        return [self.server.pid] if who == "server" else []

    def victims(self, who, target):
        found = []

        def is_there():
            found[:] = self.find(who, target)
            return found or who == "reader"
        watch.wait_for(is_there, f"a process that is the {who}")
        return found

    def after(self, who, target):
        """What is ended is started again."""
        self.end_readers()
        if who == "server":
            self.server.process.wait()
            self.start_server()
        elif who == "attacher":
            # The next grant is what finds out that there is none.
            self.attach(target)
            start = time.monotonic()
            self.end_readers()
            self.settle(target, start, "there is another attacher")
        else:
            self.server.wait(target)

    def cut_attach(self, who, target, delay):
        # Before the reader starts, as it takes its time.
        victims = self.victims(who, target)
        start = time.monotonic()
        reader = self.start_reader(target)
        spin_until(start + delay)
        kill(victims)
        if who in ("reader", "attacher"):
            kill([reader.pid])
        killed = time.monotonic()
        return self.let_end(reader, killed) if who == "worker" else killed

    @staticmethod
    def let_end(reader, killed):
        """
        A reader whose worker died before it was asked goes on with another, and is killed here. One
        that had begun ends with its worker. Returns when what ends the stream happened.
        """
        with contextlib.suppress(watch.Failure):
            watch.wait_for(lambda: reader.poll() is not None, "the end of a reader", 0.05)
            return killed
        kill([reader.pid])
        return time.monotonic()

    def cut_detach(self, who, target, delay):
        self.attach(target)
        victims = self.victims(who, target)
        start = time.monotonic()
        kill([self.readers[-1].pid])
        spin_until(start + delay)
        kill(victims)
        return start

    def restart(self, target, phase, delay):
        """Another server watches what the first one was about to, or has just let go of."""
        cut = self.cut_attach if phase == "attach" else self.cut_detach
        cut("server", target, delay)
        self.after("server", target)
        self.attach(target)
        start = time.monotonic()
        self.end_readers()
        return start

    def kind(self, phase, who, lengths):
        """All rounds in which WHO is killed in PHASE."""
        rounds = self.options.rounds
        for number, target in enumerate(self.targets):
            spent, seen = [], 0
            for i in range(number, rounds, len(self.targets)):
                half = ("attach", "detach")[i // len(self.targets) % 2]
                length = lengths[number][half if phase == "restart" else phase]
                delay = OVERSHOOT * length * i / rounds
                if phase == "restart":
                    start = self.restart(target, half, delay)
                else:
                    cut = self.cut_attach if phase == "attach" else self.cut_detach
                    start = cut(who, target, delay)
                what = f"{who} killed in {phase} at {delay:.4f} s of {length:.4f} s"
                spent.append(self.settle(target, start, what))
                seen += self.seen
                if phase != "restart":
                    self.after(who, target)
            print(f"{phase}: {who}: {target}: {len(spent)} kills, {seen} beside "
                  f"breakpoints; as before after {max(spent):.3f} s at most, "
                  f"{statistics.median(spent):.3f} s in the median", flush=True)

    def rounds(self):
        lengths = [self.measure(target) for target in self.targets]
        for who in ("reader", "worker", "server", "attacher"):
            self.kind("attach", who, lengths)
        for who in ("worker", "server", "attacher"):
            self.kind("detach", who, lengths)
        self.kind("restart", "server", lengths)

    def __call__(self):
        try:
            self.rounds()
            for target in self.targets:
                demand(target.is_as_before(), f"at the end: {target.describe()}")
                demand(watch.is_free(target.pid), f"{target.pid} was left stopped")
            self.server.end()
        finally:
            self.end_readers()
            for target in self.targets:
                target.child.kill()
                target.child.wait()
            if self.server.process.poll() is None:
                self.server.kill()
                subprocess.run(["umount", "-l", self.server.mount], check=False)


def main():
    parser = stage.parser(__doc__)
    parser.add_argument("--rounds", type=int, required=True, help="of each kind")
    stage.main(lambda options: Streams(options)(), parser.parse_args())


main()
