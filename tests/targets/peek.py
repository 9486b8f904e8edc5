#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Looks at the probes of a process by its own means, so that tests need not believe the engine.

    peek.py PID                       a line for every note that is shown:
                                      PROVIDER NAME SEMAPHORE COUNT SITE WORD [OBJECT]
    peek.py PID bytes ADDRESS LENGTH  memory, in hex
    peek.py PID words ADDRESS LENGTH  memory, a word a byte
    peek.py PID poke ADDRESS BYTES    writes them, in hex or as a word, through /proc/PID/mem

SEMAPHORE is where the counter is (with the + 2 of its format) and SITE where the nop is, in hex,
at run time; `-` where there is none. WORD is for the byte at SITE + 1 of a patched site, or else for
the byte at SITE: on, off, nop, trap, or any other in hex. Bytes in names that would break a line are written as %XX.
"""
import argparse
import os
import re

import elffile

PAGE = 4096

# What a site's bytes are called.
WORDS = {0xe8: "on", 0x3d: "off", 0x90: "nop", 0xcc: "trap"}


class Process:
    """A process, through any of its threads, as the main thread may be gone."""

    def __init__(self, pid):
        self.pid = pid
        reason = "it has no memory"
        for folder in [f"/proc/{pid}"] + self.threads():
            try:
                with open(f"{folder}/maps", "rb") as maps:
                    self.maps = [Mapping(line) for line in maps]
                self.mem = os.open(f"{folder}/mem", os.O_RDWR)
            except OSError as error:
                reason = error
                continue
            if self.maps:
                self.folder = folder
                return
        raise SystemExit(f"peek.py: cannot look into process {pid}: {reason}")

    def threads(self):
        try:
            return [f"/proc/{self.pid}/task/{tid}"
                    for tid in os.listdir(f"/proc/{self.pid}/task")]
        except OSError:
            return []

    def read(self, address, length):
        return os.pread(self.mem, length, address)

    def poke(self, address, data):
        # Byte by byte, as in real switching: a longer write could be seen half done.
        for i, byte in enumerate(data):
            os.pwrite(self.mem, bytes([byte]), address + i)

    def open_file(self, mapping):
        """The very file that is mapped, even where its path is gone (needs some privilege)."""
        ways = [f"/proc/{self.pid}/map_files/{mapping.start:x}-{mapping.end:x}",
                f"{self.folder}/root{os.fsdecode(mapping.path)}"]
        for way in ways:
            try:
                with open(way, "rb") as file:
                    return elffile.ElfFile(file.read())
            except (OSError, ValueError):
                continue
        return None


class Mapping:
    LINE = re.compile(rb"(\w+)-(\w+) (\S+) (\w+) (\S+) (\d+) *(.*)\n", re.DOTALL)

    def __init__(self, line):
        start, end, self.perms, offset, device, inode, self.path = self.LINE.match(line).groups()
        self.start, self.end, self.offset = int(start, 16), int(end, 16), int(offset, 16)
        self.file = (device, inode)

    def covers(self, address):
        return self.start <= address < self.end


def instances(process):
    """(ELF file, load bias, path) of each object: one for each place that a file is loaded at."""
    files = {}
    for mapping in process.maps:
        if mapping.file[1] == b"0":
            continue
        if mapping.file not in files:
            files[mapping.file] = process.open_file(mapping)
        elf = files[mapping.file]
        loads = elf.loads() if elf else []
        if not loads or mapping.offset != loads[0].offset // PAGE * PAGE:
            continue
        bias = mapping.start - loads[0].vaddr // PAGE * PAGE
        if is_loaded(process, elf, bias):
            yield elf, bias, mapping.path


def is_loaded(process, elf, bias):
    """Mapped only as data, an object has no executable mapping where its code belongs."""
    if elf.type == elffile.ET_EXEC and bias != 0:
        return False
    return all(any(m.covers(bias + s.vaddr) and b"x" in m.perms for m in process.maps)
               for s in elf.loads(elffile.PF_X))


def counter_offset(note, symbols):
    if not note.patched:
        return 0
    if note.provider != b"ocaml":
        return 2
    return 2 if (note.semaphore, b"caml_probes_semaphore_" + note.name) in symbols else 0


def words_of(data):
    return " ".join(WORDS.get(byte, f"{byte:02x}") for byte in data)


def bytes_of(text):
    for byte, word in WORDS.items():
        if text == word:
            return bytes([byte])
    return bytes.fromhex(text)


def escape(text):
    return "".join(chr(b) if 0x21 <= b < 0x7f and b != 0x25 else f"%{b:02X}" for b in text)


def print_note(process, elf, bias, path, note, symbols):
    section = elf.section(b".stapsdt.base")
    shift = section.addr - note.base if section and section.addr and note.base else 0
    counter = site = count = word = "-"
    if note.semaphore:
        # Compared with the symbol table as it is in the note: both are of link time.
        counter = note.semaphore + shift + bias + counter_offset(note, symbols)
        count = int.from_bytes(process.read(counter, 2), "little")
        counter = f"{counter:x}"
    if note.site:
        site = note.site + shift + bias
        word = words_of(process.read(site + note.patched, 1))
        site = f"{site:x}"
    print(escape(note.provider), escape(note.name), counter, count, site, word, escape(path))


def print_probes(process):
    for elf, bias, path in instances(process):
        symbols = None
        for note in elf.notes():
            if not note.patched and not note.semaphore:
                continue
            if symbols is None:
                symbols = set(elf.symbols())
            print_note(process, elf, bias, path, note, symbols)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pid", type=int)
    actions = parser.add_subparsers(dest="action")
    for action in ["bytes", "words"]:
        read = actions.add_parser(action)
        read.add_argument("address", type=lambda text: int(text, 16))
        read.add_argument("length", type=int)
    poke = actions.add_parser("poke")
    poke.add_argument("address", type=lambda text: int(text, 16))
    poke.add_argument("data", type=bytes_of)
    options = parser.parse_args()
    process = Process(options.pid)
    if options.action == "bytes":
        print(process.read(options.address, options.length).hex())
    elif options.action == "words":
        print(words_of(process.read(options.address, options.length)))
    elif options.action == "poke":
        process.poke(options.address, options.data)
    else:
        print_probes(process)


if __name__ == "__main__":
    main()
