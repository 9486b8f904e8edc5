#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Opens files of a process that execs all the time, and uses each until an error.

    race.py DIRECTORY STOP

Opens `enabled` and `semaphore` in DIRECTORY (of a probe), writes to both and reads the counter, as
often as it goes, until the file STOP exists. Prints each counter that was read and that is not one
of those written here, and at the end how many writes succeeded, as `wrote N`.
"""
import os
import sys
import time


def use(directory):
    """Yields True for each write."""
    files = []
    try:
        for name in ("enabled", "semaphore"):
            files.append(os.open(f"{directory}/{name}", os.O_RDWR))
        enabled, semaphore = files
        while True:
            for file, text in ((enabled, b"1"), (semaphore, b"7"), (enabled, b"0")):
                os.write(file, text)
                yield True
                counter = os.pread(semaphore, 64, 0).decode().strip()
                if counter not in ("0", "1", "7"):
                    print("read", counter, flush=True)
    except OSError:
        pass
    finally:
        for file in files:
            os.close(file)


def main():
    directory, stop = sys.argv[1:]
    wrote = 0
    while not os.path.exists(stop):
        wrote += sum(use(directory))
        time.sleep(0.0002)
    print("wrote", wrote, flush=True)


main()
