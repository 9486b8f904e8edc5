# SPDX-License-Identifier: MIT
"""What forge.py's cases are made with, and the list of them."""
import struct

from elffile import PF_W, PF_X, ElfFile, Section


def collector(cases):
    """A decorator for functions that are cases: @case(EXPECTED, LOADABLE)."""
    def case(expected, loadable=True):
        def add(function):
            name = function.__name__.strip("_").replace("_", "-")
            cases[name] = (function, expected, loadable)
            return function
        return add
    return case


def align4(data):
    return data + bytes(-len(data) % 4)


def encode(note):
    words = struct.pack("<QQQ", *(word % 2 ** 64 for word in
                                  (note.site, note.base, note.semaphore)))
    return words + b"\0".join((note.provider, note.name, note.arguments)) + b"\0"


def wrap(desc, owner=b"stapsdt\0", kind=3, namesz=None, descsz=None):
    """The note's header, with sizes that may lie."""
    namesz = len(owner) if namesz is None else namesz
    descsz = len(desc) if descsz is None else descsz
    return struct.pack("<III", namesz, descsz, kind) + align4(owner) + align4(desc)


class Forgery:
    """INPUT, to be changed. good is a note of a probe that works, notes are all of INPUT."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.elf = ElfFile(data)
        self.notes = list(self.elf.notes())
        self.section = self.elf.section(b".note.stapsdt")
        self.section_content = self.section.content(data)
        patched = [n for n in self.notes if n.patched and n.site and n.semaphore]
        if not patched:
            raise SystemExit("forge.py: the input has no OCaml probe")
        self.good = patched[0]
        self.text = self.elf.loads(PF_X)[0]
        self.writable = self.elf.loads(PF_W)[0]

    def intact(self):
        return b"".join(wrap(encode(note)) for note in self.notes)

    def bad(self, **changes):
        """A note as the good one, of another name, but for the changes."""
        return self.good.copy(**{"name": b"forged", **changes})

    def set_section(self, content):
        """New content at the end of the file: nothing else moves."""
        self.data += bytes(-len(self.data) % 8)
        self.set_header(offset=len(self.data), size=len(content))
        self.section_content = content
        self.data += content

    def set_header(self, section=None, **fields):
        section = section or self.section
        for field, value in fields.items():
            at, form = Section.FIELDS[field]
            struct.pack_into(form, self.data, section.at + at, value)

    def set_word(self, form, at, value):
        struct.pack_into(form, self.data, at, value)

    def add(self, *notes):
        self.add_raw(*(wrap(encode(note)) for note in notes))

    def add_bad(self, **changes):
        self.add(self.bad(**changes))

    def add_raw(self, *pieces):
        self.set_section(self.intact() + b"".join(pieces))
