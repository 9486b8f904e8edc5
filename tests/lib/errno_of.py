#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does one thing to a file, and says what the kernel answered: `OK`, or the name of an errno.

    errno_of.py ACTION FILE [TEXT]

TEXT may have escapes as in C (\\n, \\0). FILE is `@N` for the open descriptor N with read, write, list.
A write that takes only a part of TEXT is `SHORT`.
"""
import errno
import os
import sys


def opened(file, flags):
    return int(file[1:]) if file.startswith("@") else os.open(file, flags)


def write(file, text, flags=os.O_WRONLY):
    data = text.encode().decode("unicode_escape").encode("latin-1")
    return "OK" if os.write(opened(file, flags), data) == len(data) else "SHORT"


ACTIONS = {
    "read": lambda file: os.pread(opened(file, os.O_RDONLY), 4096, 0),
    "write": write,
    "write-truncating": lambda file, text: write(file, text, os.O_WRONLY | os.O_TRUNC),
    "write-creating": lambda file, text: write(file, text,
                                               os.O_WRONLY | os.O_TRUNC | os.O_CREAT),
    "open-read": lambda file: os.open(file, os.O_RDONLY),
    "open-write": lambda file: os.open(file, os.O_WRONLY),
    "open-create": lambda file: os.open(file, os.O_WRONLY | os.O_CREAT, 0o644),
    "truncate": lambda file: os.truncate(file, 0),
    "touch": os.utime,
    "stat": os.lstat,
    "list": lambda file: os.listdir(int(file[1:]) if file.startswith("@") else file),
    "readlink": os.readlink,
    "unlink": os.unlink,
    "rmdir": os.rmdir,
    "mkdir": os.mkdir,
    "mkfifo": os.mkfifo,
    "chmod": lambda file: os.chmod(file, 0o777),
    "chown": lambda file: os.chown(file, 1, 1),
    "rename": lambda file, text: os.rename(file, text),
    "link": lambda file, text: os.link(file, text),
    "symlink": lambda file, text: os.symlink(text, file),
}


def main():
    action, *words = sys.argv[1:]
    try:
        result = ACTIONS[action](*words)
    except OSError as error:
        print(errno.errorcode[error.errno])
    else:
        print("SHORT" if result == "SHORT" else "OK")


main()
