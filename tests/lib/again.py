#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes to a file again and again with one descriptor, and says how often what came of it.

    again.py FILE COUNT TEXT

In TEXT, {n} is 1, 2, 3, ... and {s} is 1 and 0 in turn; escapes are as in C. COUNT 0 is without an
end, until SIGTERM. Prints `OK 1990 ETIMEDOUT 10`, the most frequent first.
"""
import collections
import errno
import itertools
import os
import signal
import sys


class Ended(Exception):
    pass


def end(_number, _frame):
    raise Ended


def main():
    path, count, text = sys.argv[1:]
    text = text.encode().decode("unicode_escape")
    outcomes = collections.Counter()
    signal.signal(signal.SIGTERM, end)
    try:
        fd = os.open(path, os.O_WRONLY)
        for n in itertools.count(1):
            try:
                os.write(fd, text.format(n=n, s=n % 2).encode())
                outcomes["OK"] += 1
            except OSError as error:
                outcomes[errno.errorcode[error.errno]] += 1
            if n == int(count):
                break
    except Ended:
        pass
    print(*(f"{name} {times}" for name, times in outcomes.most_common()))


main()
