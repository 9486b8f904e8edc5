#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzzers that read binary files: FOLDER/note, FOLDER/object,
FOLDER/ld-cache and FOLDER/elf-dynamic.

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


def dynamic_program():
    """A program with a loader, two libraries and a path, and no sections."""
    strings = b"\0libone.so\0libtwo.so\0libme.so\0$ORIGIN/lib\0"
    loader = b"/lib/ld.so\0"
    tags = [(1, b"libone.so"), (1, b"libtwo.so"), (14, b"libme.so"), (29, b"$ORIGIN/lib"),
            (15, b"$ORIGIN/lib")]
    headers = 64 + 3 * 56
    entries_size = 16 * (len(tags) + 4)
    strings_at = headers + entries_size
    entries = b"".join(struct.pack("<QQ", tag, strings.index(name)) for tag, name in tags)
    entries += struct.pack("<8Q", 5, strings_at, 10, len(strings), 0x6ffffffb, 1, 0, 0)
    loader_at = strings_at + len(strings)
    size = loader_at + len(loader)
    return (struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64, 0, 0, 64, 56,
                        3, 0, 0, 0) +
            struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, size, size, 16) +
            struct.pack("<IIQQQQQQ", 2, 4, headers, headers, 0, entries_size, entries_size, 8) +
            struct.pack("<IIQQQQQQ", 3, 4, loader_at, 0, 0, len(loader), len(loader), 1) +
            entries + strings + loader)


def ld_cache():
    """A cache with one library, once for any processor and once for some."""
    strings = b"libz.so.1\0/lib/libz.so.1\0/lib/v3/libz.so.1\0x86-64-v3\0"
    start = 48 + 2 * 24

    def at(string):
        return start + strings.index(string)

    extension = start + len(strings) + -(start + len(strings)) % 8
    cache = struct.pack("<20sIIB3xI12x", b"glibc-ld.so.cache1.1", 2, len(strings), 2, extension)
    for path, high in (b"/lib/v3", 1 << 30), (b"/lib/libz", 0):
        cache += struct.pack("<6I", 0x303, at(b"libz.so.1"), at(path), 0, 0, high)
    cache += strings + bytes(extension - start - len(strings))
    return cache + struct.pack("<7I", 0xeaa42174, 1, 1, 0, extension + 24, 4, at(b"x86-64-v3"))


def old_ld_cache():
    """The same behind one entry of the older format."""
    return struct.pack("<11sxI", b"ld.so-1.7.0", 1) + bytes(12 + 4) + ld_cache()


def write_loaders_files(root):
    """What fuzz-ld-cache reads is a name, and the cache."""
    for kind, seeds in (("elf-dynamic", {"program": dynamic_program()}),
                        ("ld-cache", {"new": b"libz.so.1\0" + ld_cache(),
                                      "behind-old": b"libz.so.1\0" + old_ld_cache()})):
        folder = os.path.join(root, kind)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds.items():
            write(folder, name, data)


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)


def main():
    note_folder, object_folder = (os.path.join(sys.argv[1], kind) for kind in ("note", "object"))
    for folder in (note_folder, object_folder):
        os.makedirs(folder, exist_ok=True)
    write_loaders_files(sys.argv[1])
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
