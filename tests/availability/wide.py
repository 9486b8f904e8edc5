# SPDX-License-Identifier: MIT
"""Writes programs with any number of SystemTap probes, at once and without an assembler.

The program (x86-64, no libc, ET_EXEC) sleeps for ever. Each probe has one site, a nop, and a counter
of its own.
"""
import os
import struct

PAGE, TEXT, DATA = 4096, 0x400000, 0x20000000

# pause() for ever, and nops to have sites at.
CODE = b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7" + b"\x90" * 64
HEADERS = 64 + 2 * 56


def notes_of(count, suffix):
    notes = bytearray()
    for i in range(count):
        site = TEXT + HEADERS + 9 + i % 60
        description = struct.pack("<QQQ", site, 0, DATA + 2 * i)
        description += b"wide\0" + b"n%07d_" % i + suffix.encode() + b"\0\0"
        notes += struct.pack("<III", 8, len(description), 3) + b"stapsdt\0" + description
        notes += bytes(-len(description) % 4)
    return notes


def write(path, count, suffix):
    """COUNT probes, wide:nNUMBER_SUFFIX."""
    size = (2 * count + PAGE - 1) // PAGE * PAGE
    notes = notes_of(count, suffix)
    names = b"\0.note.stapsdt\0.shstrtab\0"
    at = PAGE + size
    header = struct.Struct("<IIQQQQIIQQ")
    sections = bytes(64)
    sections += header.pack(1, 7, 0, 0, at, len(notes), 0, 0, 4, 0)
    sections += header.pack(15, 3, 0, 0, at + len(notes), len(names), 0, 0, 1, 0)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, TEXT + HEADERS, 64,
                       at + len(notes) + len(names), 0, 64, 56, 2, 64, 3, 2)
    segment = struct.Struct("<IIQQQQQQ")
    head += segment.pack(1, 5, 0, TEXT, TEXT, HEADERS + len(CODE), HEADERS + len(CODE), PAGE)
    head += segment.pack(1, 6, PAGE, DATA, DATA, size, size, PAGE)
    head += CODE
    with open(path, "wb") as out:
        out.write(head + bytes(PAGE - len(head)) + bytes(size) + notes + names + sections)
    os.chmod(path, 0o755)
