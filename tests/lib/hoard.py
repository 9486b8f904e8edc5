#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Opens a hold many times, and closes all of them while it stops each worker of its own user as
soon as there is one; or says `held`, and closes them at SIGUSR1, or at its end.

    hoard.py FILE COUNT [wait]
"""
import os
import signal
import sys
import time

SECONDS = 20


def is_my_worker(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file)
    except OSError:
        return False
    user = int(fields["Uid"].split()[0])
    return fields["Name"].strip() == "probefs-worker" and user == os.getuid()


def stop_workers():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if is_my_worker(pid):
            try:
                os.kill(int(pid), signal.SIGSTOP)
            except ProcessLookupError:
                pass


def wait():
    print("held", flush=True)
    signal.sigwait([signal.SIGUSR1])


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    held = [os.open(sys.argv[1], os.O_WRONLY) for _ in range(int(sys.argv[2]))]
    waits = len(sys.argv) > 3
    if waits:
        wait()
    else:
        stop_workers()
    for descriptor in held:
        os.close(descriptor)
    print("closed", flush=True)
    if waits:
        return
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        stop_workers()


main()
