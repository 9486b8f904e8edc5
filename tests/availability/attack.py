#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Attacks on a server's availability, one a run: what ordinary users can do to make others wait.

Run by availability.bats in pid and mount namespaces of its own: a process that is stuck in exec, or
in a page that never comes, stops every `ps` and every listing of /proc beside it. fuse-hang, which
makes things hang, is ended by a process of its own after a time, whatever becomes of this script.

Each attack starts its hostile processes, then measures what others wait for: a listing by another
user and by root, the first look-up of a process that is new, README. None may take longer than a
call of a worker may, which is a second, and some; on a slow machine, as many times that as it takes
longer to start programs.
"""
import argparse
import errno
import os
import signal
import subprocess
import time

import wide
from space import (Attack, Failure, HOSTILE, MANY, OTHER, SECOND, demand, errno_of, identity,
                   open_as, wait_for)

# ---- attacks -------------------------------------------------------------------------------------

def mapped_file(attack):
    """Forty processes map a file that never answers; their owner looks each up in a loop."""
    filesystem = attack.silent_filesystem(HOSTILE)
    attack.fall_silent(filesystem)
    hostile = attack.mappers(40)
    attack.look_up_for_ever(hostile)
    time.sleep(1)
    attack.others_go_on(listed=hostile)
    attack.server_sleeps_in_no_process()
    attack.others_go_on(listed=hostile)


def many_notes(attack):
    """Twelve honest programs whose notes take long to read, each looked up in a loop."""
    programs = []
    for i in range(12):
        path = f"{attack.options.programs}/wide-{i}"
        wide.write(path, attack.options.notes, f"w{i}")
        programs.append(attack.run(f"wide-{i}", uid=HOSTILE))
    attack.look_up_for_ever(programs)
    attack.others_go_on(listed=programs)
    attack.others_go_on(listed=programs)


def stuck_exec(attack):
    """A process is stuck in exec; its owner, and two others, ask for it in loops."""
    filesystem = attack.silent_filesystem(HOSTILE, "-f")
    jammed = attack.target(HOSTILE, "jammed", f"{attack.hang}/file", "/bin/true")
    directory = f"{attack.mount}/{jammed.pid}"
    opened = [os.open(directory, os.O_RDONLY)]
    attack.fall_silent(filesystem)
    jammed.send_signal(signal.SIGUSR1)
    demand(filesystem.stdout.readline() == b"flush\n", "the process is not stuck in exec")
    attack.look_up_for_ever([jammed])
    for uid in (HOSTILE, 0):
        attack.loops.append(attack.run_python(uid, "import os, sys\nfd = int(sys.argv[1])\n"
                          "while True:\n try: os.fstat(fd)\n except OSError: pass",
                          str(opened[0]), pass_fds=opened))
    attack.others_go_on()
    attack.server_sleeps_in_no_process()
    attack.others_go_on()
    os.close(opened[0])


def roots_own(attack):
    """A process of root's runs from a file system that stopped."""
    filesystem = attack.silent_filesystem(0, others=True, file="demo-ocaml_1")
    victim = attack.target_at(f"{attack.hang}/file", "-q", "-i", "60000")
    attack.fall_silent(filesystem)
    attack.timed_failure("the first reader", SECOND, f"{attack.mount}/{victim.pid}/enabled")
    attack.others_go_on(listed=[victim])
    attack.server_sleeps_in_no_process()


def many_users(attack):
    """Each of many users has an open file and a hold; all others' go on."""
    opened = []
    users = range(MANY, MANY + attack.options.users)
    for uid in users:
        child = attack.target(uid, "demo-ocaml_1", "-q", "-i", "60000")
        tree = f"{attack.mount}/{child.pid}/gc_start"
        opened.append(open_as(uid, f"{tree}/enabled", os.O_RDONLY))
        opened.append(open_as(uid, f"{tree}/hold", os.O_WRONLY))
    names = os.listdir(attack.mount)
    attack.others_go_on()
    for fd in opened[::2]:
        demand(os.pread(fd, 8, 0) == b"1\n", "a file that is open does not answer")
    names = attack.timed("root's ls", 3 * SECOND, "ls", attack.mount)
    demand(len(names) >= len(users), f"root's listing has {len(names)} names")
    for fd in opened:
        os.close(fd)


def silent_users(attack):
    """Each of 64 users has a process that is silent: root's listing takes a second, each time."""
    filesystem = attack.silent_filesystem(0, others=True)
    attack.fall_silent(filesystem)
    hostile = [attack.mappers(1, uid)[0] for uid in range(MANY, MANY + 64)]
    for _ in range(3):
        names = attack.timed("root's ls", SECOND, "ls", attack.mount)
        for child in (*hostile, *attack.honest.values()):
            demand(str(child.pid) in names, f"root's listing lacks process {child.pid}")


def silent_files(attack):
    """All files of twelve silent processes: three cost a second each, the others a tenth."""
    filesystem = attack.silent_filesystem(HOSTILE)
    hosts = []
    for _ in range(12):
        child = attack.run("host", "-q", "-l", "-i", "60000", f"{attack.hang}/file", uid=HOSTILE,
                           stdout=subprocess.PIPE)
        while child.stdout.readline() != b"loaded\n":
            demand(child.poll() is None, "a host did not load its library")
        hosts.append(child)
    for child in hosts:
        demand(str(child.pid) in os.listdir(attack.mount), "a host is not listed")
    attack.fall_silent(filesystem)
    files = [f"{attack.mount}/{child.pid}/{name}" for child in hosts
             for name in ("enabled", "info", "control")]
    limit = 4.5 * attack.slowness()
    start = time.monotonic()
    for path in files:
        before = time.monotonic()
        number = errno_of(path)
        print(f"{path}: {os.strerror(number)} after {(time.monotonic() - before) * 1000:.0f} ms")
        demand(number in (0, errno.ETIMEDOUT), f"{path} is no time-out")
    took = time.monotonic() - start
    print(f"36 files: {took:.2f} s (limit {limit:.2f})")
    demand(took < limit, f"36 files of silent processes took {took:.2f} s")
    attack.others_go_on()


def directories(attack):
    """One user opens the directory of a process with long names, again and again."""
    # What the server may take, in KiB: for this user, and some for itself.
    limit = (int(attack.option("user_memory")) + 48) << 10
    # As many names as a worker can read within a second, however slowly; all directories together
    # are more than that.
    names = int((3000 if attack.is_sanitized() else 10000) / attack.slowness())
    count = int(1.3 * limit * 1024 / (names * 230))
    wide.write(f"{attack.options.programs}/long", names, "x" * 230)
    child = attack.run("long", uid=HOSTILE)
    path = f"{attack.mount}/{child.pid}"
    wait_for(lambda: os.path.exists(f"{path}/enabled"), "its directory")
    before = attack.memory()
    holder = attack.run_python(
        HOSTILE, "import os, sys, time\nkept = []\nend = 'none'\nuntil = time.monotonic() + 60\n"
        f"while len(kept) < {count}:\n"
        " try:\n  d = os.scandir(sys.argv[1]); next(d); kept.append(d)\n"
        # A busy machine may not read all these names within a second; silence ends after a while.
        " except TimeoutError as error:\n"
        "  if time.monotonic() > until: end = error.errno; break\n  time.sleep(0.1)\n"
        " except OSError as error:\n  end = error.errno; break\n"
        "print(len(kept), end, flush=True)\ntime.sleep(600)", path, stdout=subprocess.PIPE)
    said = holder.stdout.readline().decode().split()
    during = attack.memory()
    attack.others_go_on()
    holder.kill()
    holder.wait()
    wait_for(lambda: attack.memory() < before + (48 << 10), "memory to come back", 30)
    print(f"{said[0]} directories, then {said[1]}: {before} KiB before, {during} during, "
          f"{attack.memory()} after")
    demand(during < before + limit, f"the server has grown by {during - before} KiB")
    demand(said[1] in ("none", str(errno.ENOMEM), str(errno.EMFILE)), f"errno {said[1]}")


def error_logs(attack):
    """One user keeps 5,000 error_logs open, each read."""
    child = attack.target(HOSTILE, "demo-ocaml_1", "-q")
    tree = f"{attack.mount}/{child.pid}"
    for i in range(64):
        errno_of(f"{tree}/gc_start/enabled", f"{i:040}".encode(), uid=HOSTILE)
    before = attack.memory()
    holder = attack.run_python(
        HOSTILE, "import os, resource, sys, time\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (6000, 6000))\nkept = []\nend = 'none'\n"
        "for i in range(5000):\n"
        " try:\n  f = os.open(sys.argv[1], os.O_RDONLY); os.read(f, 64); kept.append(f)\n"
        " except OSError as error:\n  end = error.errno; break\n"
        "print(len(kept), end, flush=True)\ntime.sleep(600)", f"{tree}/error_log",
        stdout=subprocess.PIPE)
    said = holder.stdout.readline().decode().split()
    during = attack.memory()
    print(f"{said[0]} logs, then {said[1]}: {before} KiB before, {during} during")
    limit = (64 if attack.is_sanitized() else 32) << 10
    demand(during < before + limit, f"the server has grown by {during - before} KiB")
    attack.others_go_on()


def other_group(attack):
    """A service of a user with another group: that user with that group, and nobody else, may."""
    child = attack.target(HOSTILE, "demo-ocaml_1", "-q", gid=OTHER)
    path = f"{attack.mount}/{child.pid}/gc_start/enabled"
    demand(errno_of(path, b"1\n", uid=HOSTILE, gid=OTHER) == 0, "its own group may not")
    demand(errno_of(path, uid=HOSTILE) == errno.EACCES, "the login group may")
    demand(errno_of(path, uid=OTHER, gid=OTHER) == errno.EACCES, "another user may")
    listing = subprocess.run(["ls", attack.mount], stdout=subprocess.PIPE, check=True,
                             **identity(HOSTILE, OTHER)).stdout.decode().split()
    demand(str(child.pid) in listing, "it is not listed for its user and group")


def exec_for_ever(attack):
    """A process that calls exec all the time: nobody ever sees ESTALE."""
    child = attack.target(HOSTILE, "execer", "-r", "-q", "-i", "1", "-n", "3")
    path = f"{attack.mount}/{child.pid}/gc_start/enabled"
    seen = {}
    end = time.monotonic() + attack.options.seconds
    while time.monotonic() < end:
        number = errno_of(path)
        seen[number] = seen.get(number, 0) + 1
    print({errno.errorcode.get(number, "success"): count for number, count in seen.items()})
    demand(errno.ESTALE not in seen, f"ESTALE was seen {seen.get(errno.ESTALE)} times")
    demand(seen.get(0), "it never answered")


ATTACKS = {function.__name__: function for function in (
    mapped_file, many_notes, stuck_exec, roots_own, many_users, silent_users, silent_files,
    directories, error_logs, other_group, exec_for_ever)}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("--programs", required=True, help="directory of all that is started")
    parser.add_argument("--work", required=True, help="directory of mounts")
    parser.add_argument("--option", action="append", default=[], help="of the server")
    parser.add_argument("--users", type=int, default=150, help="for many_users")
    parser.add_argument("--notes", type=int, default=400000, help="for many_notes")
    parser.add_argument("--seconds", type=int, default=5, help="for exec_for_ever")
    options = parser.parse_args()
    attack = Attack(options)
    try:
        ATTACKS[options.attack](attack)
    except Failure as failure:
        raise SystemExit(str(failure)) from None
    attack.end()


main()
