#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzzers that read binary files: FOLDER/note and FOLDER/object.

    seeds.py FOLDER

The object is as small as one with probes can be, as a fuzzer changes a few bytes at a time. It is
then forged in every way that forge.py knows.
"""
import os
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FORGE = os.path.join(HERE, "..", "targets", "forge.py")

# Larger ones teach nothing more, and slow the fuzzer down.
SIZE_MAX = 8192

TEXT, DATA = 0x1000, 0x2000  # addresses, and offsets in the file modulo a page
PROVIDERS = (b"ocaml", b"ocaml.1", b"ocaml_1", b"ocaml_2", b"web")


def descriptors():
    for number, provider in enumerate(PROVIDERS):
        words = struct.pack("<QQQ", TEXT + 8 * number, DATA + 64, DATA + 4 * number)
        yield words + b"\0".join((provider, b"probe_%d" % number, b"8@%rax -4@8(%rsp)", b""))


def notes():
    content = b""
    for descriptor in descriptors():
        content += struct.pack("<III", 8, len(descriptor), 3) + b"stapsdt\0" + descriptor
        content += bytes(-len(content) % 4)
    return content


def symbols():
    """A table, and its strings: ocaml's first probe has the later layout."""
    strings = b"\0caml_probes_semaphore_probe_0\0"
    return bytes(24) + struct.pack("<IBBHQQ", 1, 0x11, 0, 1, DATA, 4), strings


def tiny_object():
    text = b"\x90\x3d\x01\x02\x03\x04\x0f\x0b" * len(PROVIDERS)
    symbol_table, strings = symbols()
    # name, type, flags, address, content, link, entry size
    sections = [
        (b"", 0, 0, 0, b"", 0, 0),
        (b".text", 1, 6, TEXT, text, 0, 0),
        (b".probes", 1, 3, DATA, bytes(4 * len(PROVIDERS)), 0, 0),
        (b".stapsdt.base", 1, 2, DATA + 64, b"\0", 0, 0),
        (b".note.stapsdt", 7, 0, 0, notes(), 0, 0),
        (b".symtab", 2, 0, 0, symbol_table, 6, 24),
        (b".strtab", 3, 0, 0, strings, 0, 0),
        (b".comment", 1, 0, 0, b"tiny\0", 0, 0),
    ]
    names = b"".join(section[0] + b"\0" for section in sections) + b".shstrtab\0"
    sections.append((b".shstrtab", 3, 0, 0, names, 0, 0))

    content = bytearray(64 + 3 * 56)
    headers = b""
    offsets = {}
    for name, kind, flags, address, data, link, size in sections:
        content += bytes(-len(content) % 8)
        offsets[name] = len(content)
        headers += struct.pack("<IIQQQQIIQQ", names.index(name + b"\0"), kind, flags, address,
                               len(content), len(data), link, 0, 4 if kind == 7 else 1, size)
        content += data
    content += bytes(-len(content) % 8)

    def segment(flags, address, name, size):
        return struct.pack("<IIQQQQQQ", 1, flags, offsets[name], address, address, size, size, 16)

    content[0:64] = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64, len(content), 0, 64, 56, 3,
        64, len(sections), len(sections) - 1)
    content[64:64 + 3 * 56] = (struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, 232, 232, 16) +
                               segment(5, TEXT, b".text", len(text)) +
                               segment(6, DATA, b".probes", 128))
    return bytes(content) + headers


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)


def main():
    note_folder, object_folder = (os.path.join(sys.argv[1], kind) for kind in ("note", "object"))
    for folder in (note_folder, object_folder):
        os.makedirs(folder, exist_ok=True)
    for number, descriptor in enumerate(descriptors()):
        write(note_folder, f"note-{number}", descriptor)
        write(note_folder, f"cut-{number}", descriptor[:-8])
    tiny = os.path.join(object_folder, "tiny.so")
    write(object_folder, "tiny.so", tiny_object())
    subprocess.run([sys.executable, "-B", FORGE, "--all", tiny, object_folder], check=True)
    for name in os.listdir(object_folder):
        path = os.path.join(object_folder, name)
        if os.path.getsize(path) > SIZE_MAX:
            os.remove(path)


main()
