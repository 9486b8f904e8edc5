#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Opens a file for writing by many threads at once, each one time; says so when all have begun.

    crowd.py FILE COUNT
"""
import os
import sys
import threading


def open_once(file):
    try:
        os.close(os.open(file, os.O_WRONLY))
    except OSError:
        pass


def main():
    file, count = sys.argv[1], int(sys.argv[2])
    threading.stack_size(64 << 10)
    threads = [threading.Thread(target=open_once, args=(file,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    print("crowded", flush=True)
    for thread in threads:
        thread.join()


main()
