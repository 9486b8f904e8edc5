# SPDX-License-Identifier: MIT
"""Writes texts into a file, one write(2) each, over and over.

    count.py TIMES FILE TEXT...

Ends with 75 if a write was not answered in time: what has become of it, nobody knows.
"""
import os
import sys


def main():
    file = os.open(sys.argv[2], os.O_WRONLY)
    texts = [text.encode() for text in sys.argv[3:]]
    for _ in range(int(sys.argv[1])):
        for text in texts:
            os.pwrite(file, text, 0)


try:
    main()
except TimeoutError:
    sys.exit(75)
