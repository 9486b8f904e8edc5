#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Opens a file for writing, and does one thing after the other with that one descriptor.

    pieces.py FILE ACTION...

    write:TEXT   one write(2); TEXT may have escapes as in C
    file:PATH    one write(2) of all that is in PATH
    child        forks a child, which inherits the descriptor and exits
    run          runs a program, which inherits the descriptor and closes it
    dup          duplicates the descriptor, and closes the copy: a flush of our own
    look:PATH    reads another file
    close        closes it

Prints the outcomes on one line: `OK`, the name of an errno, the number of bytes of a short write,
what `look` read without its newline.
"""
import errno
import os
import subprocess
import sys


class Pieces:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY)

    def write(self, text):
        return self.write_bytes(text.encode().decode("unicode_escape").encode("latin-1"))

    def file(self, path):
        with open(path, "rb") as file:
            return self.write_bytes(file.read())

    def write_bytes(self, data):
        written = os.write(self.fd, data)
        return "OK" if written == len(data) else str(written)

    def child(self):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return "OK"

    def run(self):
        subprocess.run(["true"], pass_fds=[self.fd], check=True)
        return "OK"

    def dup(self):
        os.close(os.dup(self.fd))
        return "OK"

    @staticmethod
    def look(path):
        with open(path, encoding="ascii") as file:
            return file.read().rstrip("\n")

    def close(self):
        os.close(self.fd)
        return "OK"


def main():
    pieces = Pieces(sys.argv[1])
    outcomes = []
    for action in sys.argv[2:]:
        name, *text = action.split(":", 1)
        try:
            outcomes.append(getattr(pieces, name)(*text))
        except OSError as error:
            outcomes.append(errno.errorcode[error.errno])
    print(*outcomes)


main()
