# SPDX-License-Identifier: MIT
"""What attacks have in common: a server, honest processes, hostile ones, and what others wait for."""
import contextlib
import ctypes
import errno
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "storm"))

from watch import Failure, demand, wait_for  # noqa: E402

HOSTILE, OTHER, MANY = 54301, 54302, 60000
SECOND = 1.2          # what a second of waiting and an answer take
PROGRAM_SECONDS = 0.003  # what starting a program takes where nothing else happens


def slowness():
    """How many times longer than usual it takes to start a program, 1 at least."""
    start = time.monotonic()
    for _ in range(20):
        subprocess.run(["/bin/true"], check=True)
    return max(1.0, (time.monotonic() - start) / 20 / PROGRAM_SECONDS)


def identity(uid, gid=None):
    return {} if uid == 0 else {"user": uid, "group": uid if gid is None else gid,
                                "extra_groups": []}


def in_child(uid, gid, act):
    """What ACT, called by a child with that identity, sends over a socket: (number, descriptors)."""
    mine, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            if uid != 0:
                os.setgroups([])
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
            try:
                fds = act()
                socket.send_fds(theirs, [b"0"], fds)
            except OSError as error:
                socket.send_fds(theirs, [str(error.errno).encode()], [])
        os._exit(0)
    theirs.close()
    text, fds, _, _ = socket.recv_fds(mine, 16, 4)
    os.waitpid(pid, 0)
    mine.close()
    return int(text), fds


def open_as(uid, path, flags):
    number, fds = in_child(uid, uid, lambda: [os.open(path, flags)])
    demand(number == 0, f"user {uid} cannot open {path}: {os.strerror(number)}")
    return fds[0]


def errno_of(path, data=None, uid=0, gid=None):
    """0, or why PATH cannot be read, or DATA be written to it."""
    def act():
        fd = os.open(path, os.O_RDONLY if data is None else os.O_WRONLY)
        try:
            if data is None:
                os.read(fd, 4096)
            else:
                os.write(fd, data)
        finally:
            os.close(fd)
        return []
    if uid == 0:
        try:
            act()
        except OSError as error:
            return error.errno
        return 0
    return in_child(uid, uid if gid is None else gid, act)[0]


class Attack:
    """A server, its honest processes, and all that an attack has started, which ends with it."""

    def __init__(self, options):
        self.options = options
        self.mount = f"{options.work}/mnt"
        self.hang = f"{options.work}/hang"
        self.children = []
        self.loops = []
        for directory in (self.mount, self.hang):
            os.makedirs(directory, exist_ok=True)
        self.server = self.run("probefs", "-f", "-o", "log=warning",
                               *[f"-o{option}" for option in options.option], self.mount)
        wait_for(lambda: os.path.exists(f"{self.mount}/README"), "the mount", 60)
        self.honest = {uid: self.target(uid, "demo-ocaml_1", "-q") for uid in (0, OTHER)}
        for child in self.honest.values():
            demand(str(child.pid) in os.listdir(self.mount), "an honest process is not listed")

    def option(self, name):
        """What the server's option NAME says."""
        return dict(each.split("=", 1) for each in self.options.option)[name]

    # ---- what is started ---------------------------------------------------------------------

    def run(self, name, *arguments, uid=0, gid=None, **more):
        child = subprocess.Popen([f"{self.options.programs}/{name}", *arguments],
                                 stdin=subprocess.DEVNULL, **identity(uid, gid), **more)
        self.children.append(child)
        return child

    def target(self, uid, name, *arguments, gid=None):
        """A program that says its pid when it is ready."""
        child = self.run(name, *arguments, uid=uid, gid=gid, stdout=subprocess.PIPE)
        said = child.stdout.readline().decode().strip()
        demand(said == f"pid {child.pid}", f"{name} did not start: '{said}'")
        return child

    def slowness(self):
        """Of the machine, without the attack: its loops are no excuse."""
        for child in self.loops:
            child.send_signal(signal.SIGSTOP)
        result = slowness()
        for child in self.loops:
            child.send_signal(signal.SIGCONT)
        return result

    def run_python(self, uid, text, *arguments, **more):
        child = subprocess.Popen(["/usr/bin/python3", "-I", "-S", "-c", text, *arguments],
                                 stdin=subprocess.DEVNULL, **identity(uid), **more)
        self.children.append(child)
        return child

    def target_at(self, path, *arguments):
        child = subprocess.Popen([path, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.children.append(child)
        demand(child.stdout.readline().startswith(b"pid "), f"{path} did not start")
        return child

    def silent_filesystem(self, uid, *options, seconds=40, file="libplug.so", others=False):
        """Mounts at self.hang, as UID, what does not answer from SIGUSR1 on. Returns the process."""
        device = os.open("/dev/fuse", os.O_RDWR)
        text = f"fd={device},rootmode=40000,user_id={uid},group_id={uid}"
        text += ",allow_other" if others else ""
        libc = ctypes.CDLL(None, use_errno=True)
        demand(libc.mount(b"fuse-hang", self.hang.encode(), b"fuse.hang", 6, text.encode()) == 0,
               f"cannot mount: {os.strerror(ctypes.get_errno())}")
        child = self.run("fuse-hang", "-s", str(seconds), *options,
                         f"{self.options.programs}/{file}", f"/dev/fd/{device}", uid=uid,
                         stdout=subprocess.PIPE, pass_fds=[device])
        os.close(device)
        demand(child.stdout.readline().startswith(b"pid "), "fuse-hang did not start")
        return child

    def fall_silent(self, filesystem):
        filesystem.send_signal(signal.SIGUSR1)
        demand(filesystem.stdout.readline() == b"silent\n", "fuse-hang did not fall silent")

    def mappers(self, count, uid=HOSTILE):
        return [self.target(uid, "mapper", f"{self.hang}/file") for _ in range(count)]

    def look_up_for_ever(self, children, uid=HOSTILE):
        """A loop for each, by its owner, that asks for its directory."""
        for child in children:
            self.loops.append(self.run_python(
                uid, "import os, sys, time\nwhile True:\n try:\n  os.stat(sys.argv[1])\n"
                " except OSError:\n  pass\n time.sleep(0.02)", f"{self.mount}/{child.pid}"))

    # ---- what others wait for ----------------------------------------------------------------

    def timed(self, what, limit, *command, uid=0):
        """The output's lines, where the command succeeds within LIMIT times what this machine takes."""
        limit *= self.slowness()
        start = time.monotonic()
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=limit + 15, check=False,
                                  **identity(uid))
        except subprocess.TimeoutExpired:
            raise Failure(f"{what}: no answer in {limit + 15:.1f} s") from None
        took = time.monotonic() - start
        print(f"{what}: {took * 1000:.0f} ms (limit {limit * 1000:.0f})", flush=True)
        demand(done.returncode == 0, f"{what}: {done.stdout.decode()}")
        demand(took < limit, f"{what} took {took:.2f} s, more than {limit:.2f} s")
        return done.stdout.decode().splitlines()

    def timed_failure(self, what, limit, path):
        limit *= self.slowness()
        start = time.monotonic()
        number = errno_of(path)
        took = time.monotonic() - start
        print(f"{what}: {os.strerror(number)} after {took * 1000:.0f} ms (limit {limit * 1000:.0f})")
        demand(number in (0, errno.ETIMEDOUT), f"{what}: {os.strerror(number)}")
        demand(took < limit, f"{what} waited {took:.2f} s")

    def others_go_on(self, listed=(), limit=SECOND):
        """Others' and root's listings are right and in time; so are first look-ups, and README."""
        names = self.timed("another user's ls", limit, "ls", self.mount, uid=OTHER)
        demand(str(self.honest[OTHER].pid) in names, "another user's process is not listed")
        names = self.timed("root's ls", limit, "ls", self.mount)
        for child in (*self.honest.values(), *listed):
            demand(str(child.pid) in names, f"root's listing lacks process {child.pid}")
        for uid in (0, OTHER):
            fresh = self.target(uid, "demo-ocaml_1", "-q")
            path = f"{self.mount}/{fresh.pid}/gc_start/enabled"
            text = self.timed(f"a first look-up by user {uid}", limit, "cat", path, uid=uid)
            demand(text == ["0"], f"a new process reads {text}")
            fresh.kill()
        self.timed("README", limit, "head", "-n", "1", f"{self.mount}/README", uid=OTHER)

    def blocked_threads(self):
        """Where threads of the server sleep in the kernel that may not: a list of stacks."""
        stacks = []
        for task in pathlib.Path(f"/proc/{self.server.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                stack = (task / "stack").read_text(encoding="ascii")
                if re.search(r"\b(proc_|mem_|kcmp|do_task_stat|ptrace_|mm_access|access_remote)",
                             stack):
                    stacks.append(stack)
        return stacks

    def server_sleeps_in_no_process(self, rounds=40):
        for _ in range(rounds):
            found = self.blocked_threads()
            if found:
                time.sleep(0.1)  # it may have been on its way
                again = self.blocked_threads()
                demand(not again, f"a thread of the server waits in /proc:\n{(again or [''])[0]}")
            time.sleep(0.02)

    def is_sanitized(self):
        """Then all that a program does takes several times as long, and twice the memory."""
        return b"__asan_init" in pathlib.Path(f"/proc/{self.server.pid}/exe").read_bytes()

    def memory(self):
        """KiB that the server has."""
        text = pathlib.Path(f"/proc/{self.server.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s*(\d+)", text)[1])

    # ---- the end -----------------------------------------------------------------------------

    def end(self):
        """Ends all but the server, then that by its unmount: with success."""
        for child in self.children:
            if child is not self.server:
                with contextlib.suppress(ProcessLookupError):
                    child.send_signal(signal.SIGKILL)
        subprocess.run(["umount", "-l", self.hang], check=False, stderr=subprocess.DEVNULL)
        # Those that were killed may not have died yet, with what they have open.
        for _ in range(100):
            if subprocess.run(["umount", self.mount], check=False, timeout=30).returncode == 0:
                break
            time.sleep(0.1)
        demand(self.server.wait(30) == 0, "the server did not end with success")
