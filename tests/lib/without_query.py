#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""without_query.py COMMAND...: runs it as if the kernel were older than 6.11.

A seccomp filter answers PROCMAP_QUERY, an ioctl on /proc/PID/maps, with ENOTTY; all that COMMAND
starts inherits it.
"""

import ctypes
import errno
import fcntl
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF: a word, jump if equal, return a constant
NUMBER, SECOND_ARGUMENT = 0, 24  # offsets in struct seccomp_data
IOCTL = 16
PROCMAP_QUERY = 0xC0686611

FILTER = [
    (LOAD, 0, 0, NUMBER),
    (EQUAL, 0, 3, IOCTL),
    (LOAD, 0, 0, SECOND_ARGUMENT),
    (EQUAL, 0, 1, PROCMAP_QUERY),
    (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.ENOTTY),
    (RETURN, 0, 0, SECCOMP_RET_ALLOW),
]


def main():
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in FILTER))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(FILTER),
                                                      ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        sys.exit(f"cannot set the filter: {os.strerror(ctypes.get_errno())}")
    with open("/proc/self/maps", "rb") as maps:
        try:
            fcntl.ioctl(maps, PROCMAP_QUERY, struct.pack("Q96x", 104))
            sys.exit("the filter does not work")
        except OSError as error:
            if error.errno != errno.ENOTTY:
                raise
    os.execvp(sys.argv[1], sys.argv[1:])


main()
