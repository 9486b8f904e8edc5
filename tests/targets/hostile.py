#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A process that maps objects by hand, as no loader would.

    hostile.py reach FOLDER         an object whose segments claim all of memory: its notes point
                                    into another object, to the stack, and (own) to itself
    hostile.py map FILE...          each whole file, as code; what cannot be mapped is left out
    hostile.py forget FILE          loads the library FILE, and at SIGUSR1 gives all its pages back,
                                    also those that were written; says `forgotten`
    hostile.py rewrite FILE OTHER   maps FILE, which is cut, and written anew with the contents of
                                    OTHER and of itself, again and again

Says `pid N`, and for `reach` a line `NAME SITE SEMAPHORE` for each probe, in hex, before it.
"""
import ctypes
import mmap
import os
import signal
import struct
import sys
import time

import elffile
PAGE = 4096
ALL = 2 ** 46
SITE = bytes([elffile.opcode("NOP"), elffile.opcode("OFF"), 0, 0, 0, 0])


def map_file(path, prot):
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=prot)


def mappings():
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            start, end = (int(x, 16) for x in fields[0].split("-"))
            yield start, end, fields[1], fields[5].strip() if len(fields) > 5 else ""


def find(path, permissions):
    return next(start for start, _, perms, name in mappings()
                if name == path and perms == permissions)


def note(name, site, semaphore):
    words = struct.pack("<QQQ", site % 2 ** 64, 0, semaphore % 2 ** 64)
    desc = words + b"ocaml_1\0" + name + b"\0\0"
    return struct.pack("<III", 8, len(desc), 3) + b"stapsdt\0" + desc + bytes(-len(desc) % 4)


def segment(flags, offset, address):
    return struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, ALL, ALL, PAGE)


def make_object(notes):
    """Page 0: headers and code; page 1: data; the notes behind."""
    names = b"\0.note.stapsdt\0.shstrtab\0"
    tail = 2 * PAGE
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 1, 7, 0, 0, tail, len(notes), 0, 0, 4, 0)
    sections += struct.pack("<IIQQQQIIQQ", 15, 3, 0, 0, tail + len(notes), len(names), 0, 0, 1, 0)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64,
                         tail + len(notes) + len(names), 0, 64, 56, 2, 64, 3, 2)
    page = header + segment(5, 0, 0) + segment(6, PAGE, PAGE)
    page += bytes(1024 - len(page)) + SITE
    return page + bytes(2 * PAGE - len(page)) + notes + names + sections


def reach(folder):
    victim = os.path.join(folder, "victim")
    with open(victim, "wb") as file:
        file.write(SITE + bytes(PAGE - len(SITE)) + bytes(PAGE))
    code = map_file(victim, mmap.PROT_READ | mmap.PROT_EXEC)
    data = map_file(victim, mmap.PROT_READ | mmap.PROT_WRITE)
    # Its notes need to know where it will be: the pages are put there before they are written.
    path = os.path.join(folder, "reach.so")
    with open(path, "wb") as file:
        file.write(make_object(bytes(4096)))
    text = map_file(path, mmap.PROT_READ | mmap.PROT_EXEC | mmap.PROT_WRITE)
    base = find(path, "rwxp")
    stack = next(end for _, end, _, name in mappings() if name == "[stack]") - 4096
    own, counter = base + 1024, base + PAGE
    probes = {
        b"own": (own, counter),
        b"other_code": (find(victim, "r-xp"), counter + 4),
        b"other_data": (own, find(victim, "rw-p") + 64),
        b"on_stack": (own, stack),
    }
    notes = b"".join(note(name, site - base, semaphore - 2 - base)
                     for name, (site, semaphore) in probes.items())
    with open(path, "r+b") as file:
        file.write(make_object(notes))
        file.truncate()
    for name, (site, semaphore) in probes.items():
        print(name.decode(), f"{site:x} {semaphore:x}")
    return code, data, text


def rewrite(path, other):
    contents = []
    for name in (path, other):
        with open(name, "rb") as file:
            contents.append(file.read())
    text = map_file(path, mmap.PROT_READ | mmap.PROT_EXEC)
    print("pid", os.getpid(), flush=True)
    while text:
        for content in contents:
            with open(path, "r+b") as file:
                file.truncate(len(content) // 3)
                file.write(content)


def give_back(path):
    """Whoever touches a page then, gets it from the file."""
    libc = ctypes.CDLL(None, use_errno=True)
    for start, end, _, name in mappings():
        if name == path and libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start),
                                         mmap.MADV_DONTNEED) < 0:
            raise OSError(ctypes.get_errno(), "madvise")
    print("forgotten", flush=True)


def forget(path):
    signal.signal(signal.SIGUSR1, lambda *_: give_back(path))
    return ctypes.CDLL(path)


def map_all(paths):
    maps = []
    for path in paths:
        try:
            maps.append(map_file(path, mmap.PROT_READ | mmap.PROT_EXEC))
        except (OSError, ValueError):
            continue
    return maps


def main():
    action, *words = sys.argv[1:]
    kept = {"reach": reach, "map": lambda *paths: map_all(paths), "rewrite": rewrite,
            "forget": forget}[action](*words)
    print("pid", os.getpid(), flush=True)
    while kept is not None:
        time.sleep(1000)


main()
