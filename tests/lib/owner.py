#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Asks the tree about a process of its own, before and right after it has become root's.

    owner.py DIRECTORY PID

DIRECTORY is that of the process; SIGUSR1 makes it not dumpable (see targets/undumpable.c). Prints
what the kernel answers to a listing, a read, a write and readlink.
"""
import errno
import os
import signal
import sys

directory, pid = sys.argv[1], int(sys.argv[2])


def write():
    file = os.open(f"{directory}/gc_start/enabled", os.O_WRONLY)
    try:
        os.write(file, b"0")
    finally:
        os.close(file)


def read():
    os.close(os.open(f"{directory}/gc_start/semaphore", os.O_RDONLY))


def ask(when):
    print(when)
    for act in (lambda: os.listdir(directory), read, write,
                lambda: os.readlink(f"{directory}/exe")):
        try:
            act()
            print("OK")
        except OSError as error:
            print(errno.errorcode[error.errno])


ask("before")
os.kill(pid, signal.SIGUSR1)
# The kernel's own file tells when it has happened.
while os.stat(f"/proc/{pid}/mem").st_uid != 0:
    pass
ask("after")
