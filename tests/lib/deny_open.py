#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lets every attempt to open FILE fail with EPERM, as a security monitor can, until it is ended. Says
`ready` when that is so.

    deny_open.py FILE
"""
import ctypes
import os
import struct
import sys

CLASS_CONTENT, CLOEXEC = 0x04, 0x01
MARK_ADD, OPEN_PERM, DENY = 0x01, 0x10000, 0x02
AT_FDCWD = -100

libc = ctypes.CDLL(None, use_errno=True)


def demand(result, what):
    if result < 0:
        raise SystemExit(f"deny_open.py: {what}: {os.strerror(ctypes.get_errno())}")
    return result


def deny(group):
    # struct fanotify_event_metadata: its length comes first, the file's descriptor behind the mask.
    events = os.read(group, 4096)
    while events:
        length = struct.unpack_from("I", events)[0]
        fd = struct.unpack_from("i", events, 16)[0]
        os.write(group, struct.pack("iI", fd, DENY))
        os.close(fd)
        events = events[length:]


def main():
    group = demand(libc.fanotify_init(CLASS_CONTENT | CLOEXEC, os.O_RDONLY), "fanotify_init")
    demand(libc.fanotify_mark(group, MARK_ADD, ctypes.c_uint64(OPEN_PERM), AT_FDCWD,
                              os.fsencode(sys.argv[1])), "fanotify_mark")
    print("ready", flush=True)
    while True:
        deny(group)


main()
