#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lets the memory of a server run out, one allocation after the other.

Each operation of a user is done while the first, the second, ... allocation in the server and its
workers fails, and while all fail from the first, the second, ... on, until no more are made. It has
to succeed, or to fail with ENOMEM and leave everything as it was: what the target's probe is at, a
reader of its own says. Right after, the same operation works. In the end, the server and its
workers have no more memory, descriptors and threads than before.

    memory.py --programs DIR --work DIR --user NAME --group NAME
"""
import contextlib
import grp
import os
import pwd
import signal
import sys
import traceback

import faulty
import stage
import watch
from faulty import MANY, errno_name, getattr_of, opened, read, refused, write
from watch import demand

PROBE = "gc_start"
RUNS_MAX = 1000
FAILURES_MAX = 64  # lines of an error_log

# What may be left in a server behind thousands of operations: 8 allocations for each of some more
# threads (a thread, its buffer), and entries of caches. Each that is lost at a failure is hundreds.
LEFT_MAX = 100


class Operation:
    """
    What a user does to a target. The probe is at BEFORE once prepare() is done, and at AFTER where
    the operation has succeeded.
    """

    def __init__(self, name, act, before="0", after=None, prepare=None, allowed=("ENOMEM",)):
        self.name, self.act, self.prepare, self.allowed = name, act, prepare, allowed
        self.before, self.after = before, after or before


class Tree:
    """The files of one process, and what can be done to them."""

    def __init__(self, mount, pid):
        self.mount, self.pid = mount, pid
        self.folder = f"{mount}/{pid}"
        self.probe = f"{self.folder}/{PROBE}"
        self.held = None

    def off(self):
        self.let_go()
        write(f"{self.probe}/enabled", "0")

    def let_go(self):
        if self.held is not None:
            os.close(self.held)
        self.held = None

    def hold(self):
        """The claims of holds that there are have an end before."""
        self.off()
        self.held = os.open(f"{self.probe}/hold", os.O_WRONLY)

    def hold_without_worker(self):
        self.hold()
        kill_workers()

    def hold_for_a_moment(self):
        with opened(f"{self.probe}/hold", os.O_WRONLY):
            return "OK"

    def write_line_and_half(self):
        """The flush may fail: it is for the half, and the line is there."""
        fd = os.open(f"{self.folder}/control", os.O_WRONLY)
        try:
            os.write(fd, f"1 {PROBE}\n# and".encode())
        finally:
            with contextlib.suppress(OSError):
                os.close(fd)
        return "OK"

    def close_hold(self):
        self.let_go()
        return "OK"

    def looks(self):
        probe, folder = self.probe, self.folder
        result = [
            Operation("attributes of the root", lambda: getattr_of(self.mount)),
            Operation("attributes of a directory", lambda: getattr_of(folder)),
            Operation("attributes of a file", lambda: getattr_of(f"{probe}/enabled")),
            Operation("a name that does not exist", lambda: faulty.is_missing(f"{folder}/nothing")),
            Operation("list the root", lambda: str(self.pid) in os.listdir(self.mount)),
            Operation("list a process", lambda: faulty.list_long(folder)),
            Operation("list a probe", lambda: faulty.list_long(probe)),
            Operation("read README", lambda: read(f"{self.mount}/README")),
            Operation("readlink self", lambda: os.readlink(f"{self.mount}/self")),
            Operation("readlink exe", lambda: os.readlink(f"{folder}/exe")),
            Operation("read error_log", lambda: bool(read(f"{folder}/error_log"))),
        ]
        files = [f"{folder}/{name}" for name in ("enabled", "info", "control")]
        files += [f"{probe}/{name}" for name in ("enabled", "semaphore", "sites", "hold")]
        return result + [Operation(f"read {file}", lambda file=file: read(file)) for file in files]

    def changes(self):
        probe, folder = self.probe, self.folder

        def change(name, file, text):
            return Operation(name, lambda: write(file, text), "0", "1", self.off)

        return [
            change("write enabled", f"{probe}/enabled", "1"),
            change("write enabled of all", f"{folder}/enabled", "1"),
            change("write semaphore", f"{probe}/semaphore", "+1"),
            change("write control", f"{folder}/control", f"1 {PROBE[:-1]}*\n"),
            change("write a line without end", f"{folder}/control", f"+1 {PROBE}"),
            Operation("write a line and a half", self.write_line_and_half, "0", "1", self.off),
            Operation("hold", self.hold_for_a_moment, prepare=self.off),
            Operation("close a hold", self.close_hold, "1", "0", self.hold),
            Operation("write beside a hold", lambda: write(f"{probe}/enabled", "0"), "1", "0",
                      self.hold),
        ]

    def refusals(self):
        probe, folder = self.probe, self.folder
        return [
            Operation("truncate", lambda: os.truncate(f"{probe}/enabled", 0)),
            Operation("chmod", lambda: refused(os.chmod, f"{probe}/enabled", 0o777)),
            Operation("rmdir", lambda: refused(os.rmdir, probe)),
            Operation("unlink", lambda: refused(os.unlink, f"{probe}/enabled")),
            Operation("mkdir", lambda: refused(os.mkdir, f"{folder}/new")),
            Operation("rename", lambda: refused(os.rename, probe, f"{folder}/new")),
            Operation("symlink", lambda: refused(os.symlink, "x", f"{folder}/new")),
        ]

    def without_worker(self):
        """Where one has to be started. One that ends at once, as it has no memory, is EIO."""
        allowed = ("ENOMEM", "EIO")

        def begin():
            self.off()
            kill_workers()

        return [
            Operation("write without worker", lambda: write(f"{self.probe}/enabled", "1"), "0", "1",
                      begin, allowed),
            Operation("hold without worker", self.hold_for_a_moment, "0", "0", begin, allowed),
            Operation("close a hold without worker", self.close_hold, "1", "0",
                      self.hold_without_worker),
        ]


def kill_workers():
    """Those of this user; returns when they are gone."""
    for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
        try:
            with open(f"/proc/{pid}/status") as file:
                fields = dict(line.split(":", 1) for line in file)
        except OSError:
            continue
        user = int(fields["Uid"].split()[0])
        if fields["Name"].strip() == "probefs-worker" and user == os.getuid():
            os.kill(int(pid), signal.SIGKILL)
            watch.wait_for(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), "a worker's end")


class Ordeal:
    """Of one user's operations on one target."""

    def __init__(self, mount, faults, target):
        self.mount, self.faults, self.target = mount, faults, target
        self.runs = self.failed = self.hits = 0
        self.findings = []

    def becomes(self, state):
        """What was closed is released a moment later, or when there is memory again."""
        with contextlib.suppress(watch.Failure):
            watch.wait_for(lambda: self.target.state(PROBE) == state, state, 3)
            return True
        return False

    def attempt(self, operation):
        try:
            return operation.act(), None
        except OSError as error:
            return None, errno_name(error)

    def settle(self):
        """What was closed has arrived at the server when it answers what is asked behind it."""
        with contextlib.suppress(OSError):
            getattr_of(self.mount)

    def prepare(self, operation):
        if operation.prepare:
            operation.prepare()
        demand(self.becomes(operation.before),
               f"{operation.name}: the probe is at {self.target.state(PROBE)}")

    def run_once(self, operation, expected, first, count):
        """Returns whether an allocation failed."""
        self.prepare(operation)
        with self.faults.armed(first, count):
            result, failure = self.attempt(operation)
            self.settle()
        hit = self.faults.now.hits > 0
        self.runs += 1
        self.hits += hit
        self.failed += failure is not None
        wrong = []
        if failure and not (hit and failure in operation.allowed):
            wrong.append(failure)
        if not failure and result != expected:
            wrong.append(f"it answers {result!r}")
        if not self.becomes(operation.before if failure else operation.after):
            wrong.append(f"{failure or 'OK'}, and the probe is at {self.target.state(PROBE)}")
        wrong += self.again(operation, expected)
        self.findings += [f"{operation.name}, allocation {first}"
                          f"{'' if count == 1 else ' and all behind it'}: {what}" for what in wrong]
        return hit

    def again(self, operation, expected):
        """With memory, all is as it always was."""
        self.prepare(operation)
        result, failure = self.attempt(operation)
        if failure or result != expected:
            yield f"later {failure or repr(result)}"
        if not self.becomes(operation.after):
            yield f"later the probe is at {self.target.state(PROBE)}"

    def run(self, operation, stride=1):
        self.prepare(operation)
        expected = operation.act()
        for count in (1, MANY):
            first = 0
            while self.run_once(operation, expected, first, count):
                first += stride
                demand(first < RUNS_MAX, f"{operation.name}: allocations without end")

    def finish(self, who):
        print(f"{who}: {self.runs} operations, {self.hits} met a failure, {self.failed} failed")
        demand(self.hits > 0 and self.failed > 0, "no allocation failed: nothing was tested")
        demand(not self.findings, "\n".join(self.findings))


class Scene:
    """A server, and processes of root and of an ordinary user."""

    def __init__(self, options):
        self.stage = stage.Stage(options)
        self.group = grp.getgrnam(options.group).gr_gid
        self.user = pwd.getpwnam(options.user)
        options.option.append(f"gid={self.group}")
        self.faults = faulty.Faults(f"{options.work}/faults", f"{options.programs}/faults.so")
        self.children = [self.stage.start(user, name, "-q") for user in (None, options.user)
                         for name in ("demo-ocaml_1", "many-1000")]
        pids = [child.pid for child in self.children]
        self.targets = {None: watch.Target(pids[0]), self.user: watch.Target(pids[2])}
        self.many = {None: pids[1], self.user: pids[3]}
        with self.faults.preloaded():
            self.server = stage.Server(self.stage)
        self.server.wait(*self.targets.values())
        # With a file open in each worker, none of them ends for being idle: what it had would count.
        self.open = [os.open(f"{self.server.mount}/{target.pid}/{PROBE}/hold", os.O_RDONLY)
                     for target in self.targets.values()]

    def ordeal(self, user):
        return Ordeal(self.server.mount, self.faults, self.targets[user])

    def tree(self, user):
        return Tree(self.server.mount, self.targets[user].pid)

    def usual(self, user):
        tree = self.tree(user)
        return tree.looks() + tree.changes() + tree.refusals()

    def warm_up(self, user):
        """So that what is kept for later is there: of each kind, and lines of the error_log."""
        ordeal, tree = self.ordeal(user), self.tree(user)
        for operation in self.usual(user):
            ordeal.prepare(operation)
            operation.act()
        tree.off()
        for _ in range(FAILURES_MAX):
            with contextlib.suppress(OSError):
                write(f"{tree.folder}/enabled", "garbage")

    def torment(self, user):
        ordeal = self.ordeal(user)
        for operation in self.usual(user):
            ordeal.run(operation)
        self.tree(user).off()
        ordeal.finish("root" if user is None else "a user")

    def torment_names(self, user):
        """Names that the kernel knows already are not looked up: each run takes another one."""
        names = iter(range(1000))
        folder = f"{self.server.mount}/{self.many[user]}"
        os.stat(folder)

        def look_up():
            return os.stat(f"{folder}/probe_{next(names):05}").st_nlink

        def live_after(act):
            before = self.faults.now.live
            act()
            return self.faults.now.live - before

        ordeal = self.ordeal(user)
        cost = live_after(lambda: [look_up() for _ in range(20)])
        ordeal_cost = live_after(lambda: ordeal.run(Operation("look up a name", look_up)))
        ordeal.finish("names")
        known = next(names) - 20
        demand(ordeal_cost <= known * cost / 20 + LEFT_MAX,
               f"{known} names take {ordeal_cost} allocations, and 20 took {cost}")

    def torment_processes(self, user):
        """As before, for processes; and each is a new one."""
        children = []

        def end_child():
            for child in children:
                child.kill()
                child.communicate()
            children.clear()

        def start_child():
            end_child()
            children.append(self.stage.start(None, "demo-ocaml_1", "-q"))

        ordeal = self.ordeal(user)
        ordeal.run(Operation("look up a process", prepare=start_child, act=lambda: os.stat(
            f"{self.server.mount}/{children[0].pid}").st_nlink))
        end_child()
        ordeal.finish("processes")

    def torment_starts(self, user):
        ordeal, tree = self.ordeal(user), self.tree(user)
        for operation in tree.without_worker():
            ordeal.run(operation, stride=5)
        tree.off()
        ordeal.finish("without worker")

    def torment_member(self, _):
        """An ordinary user of the mount's group, who may look into root's processes."""
        ordeal, tree = self.ordeal(None), self.tree(None)
        for operation in tree.looks() + tree.changes():
            ordeal.run(operation)
        tree.off()
        ordeal.finish("a member")

    def act_as(self, user, act, groups=()):
        """In a child with the ids of USER; its failures are ours."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if user:
                    os.setgroups(groups)
                    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
                    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
                act(user)
                status = 0
            except watch.Failure as failure:
                print(failure)
            except BaseException:  # pylint: disable=broad-except
                traceback.print_exc()
            sys.stdout.flush()
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        demand(self.server.process.poll() is None, "the server has ended")
        demand(status == 0, f"{act.__name__} failed")

    def act_as_both(self, act):
        for user in (None, self.user):
            self.act_as(user, act)

    def usage(self):
        return watch.Usage(self.server.pid), self.faults.now.live

    def end(self):
        for fd in self.open:
            os.close(fd)
        for child in self.children:
            child.kill()
        self.server.end()


def run(options):
    scene = Scene(options)
    scene.act_as_both(scene.warm_up)
    before, live_before = scene.usage()
    scene.act_as_both(scene.torment)
    scene.act_as(scene.user, scene.torment_member, [scene.group])
    after, live_after = scene.usage()
    print(f"before: {before}, {live_before} allocations")
    print(f"after: {after}, {live_after} allocations")
    demand(live_after <= live_before + LEFT_MAX, "allocations are lost")
    demand(not after.has_grown(before, 16, 4096), "it has more than before")
    scene.act_as_both(scene.torment_names)
    scene.act_as_both(scene.torment_processes)
    scene.act_as_both(scene.torment_starts)
    scene.end()


def main():
    parser = stage.parser(__doc__)
    parser.add_argument("--group", required=True)
    stage.main(run, parser.parse_args())


main()
