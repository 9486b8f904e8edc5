# SPDX-License-Identifier: MIT
"""Reads maps, memory and the probes' notes of a live process, sharing nothing with the engine."""
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

import elffile  # noqa: E402

PAGE = 4096


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
        raise SystemExit(f"cannot look into process {pid}: {reason}")

    def threads(self):
        try:
            return [f"/proc/{self.pid}/task/{tid}"
                    for tid in os.listdir(f"/proc/{self.pid}/task")]
        except OSError:
            return []

    def read(self, address, length):
        return os.pread(self.mem, length, address)

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
