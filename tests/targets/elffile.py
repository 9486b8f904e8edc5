# SPDX-License-Identifier: MIT
"""A small reader of 64-bit ELF files for the test tools. Shares nothing with the engine."""
import pathlib
import platform
import re
import struct

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")
SHDR = struct.Struct("<IIQQQQIIQQ")
SYM = struct.Struct("<IBBHQQ")

PT_LOAD = 1
PF_X, PF_W, PF_R = 1, 2, 4
SHT_SYMTAB, SHT_NOBITS = 2, 8
ET_EXEC, ET_DYN = 2, 3

OCAML_PROVIDERS = (b"ocaml", b"ocaml.1", b"ocaml_1", b"ocaml_2")


def opcode(word):
    """The byte that opcodes.h, which all tests have theirs from, calls OPCODE_word here.

    Where processors differ, AArch64's comes first there.
    """
    text = pathlib.Path(__file__).with_name("opcodes.h").read_text(encoding="ascii")
    values = re.findall(rf"#define OPCODE_{word} +(\w+)", text)
    return int(values[0 if platform.machine() == "aarch64" else -1], 0)


class Segment:
    SIZE = PHDR.size

    def __init__(self, data, at):
        self.at = at
        (self.type, self.flags, self.offset, self.vaddr, _, self.filesz, self.memsz,
         _) = PHDR.unpack_from(data, at)

    @property
    def end(self):
        return self.vaddr + self.memsz


class Section:
    # Where the fields of a section header lie.
    FIELDS = {"name": (0, "<I"), "type": (4, "<I"), "flags": (8, "<Q"), "addr": (16, "<Q"),
              "offset": (24, "<Q"), "size": (32, "<Q"), "link": (40, "<I"), "info": (44, "<I"),
              "addralign": (48, "<Q"), "entsize": (56, "<Q")}

    def __init__(self, data, at):
        self.at = at
        for field, (offset, form) in self.FIELDS.items():
            setattr(self, field, struct.unpack_from(form, data, at + offset)[0])

    def content(self, data):
        return b"" if self.type == SHT_NOBITS else bytes(data[self.offset:self.offset + self.size])


class Note:
    def __init__(self, site, base, semaphore, provider, name, arguments=b""):
        self.site = site
        self.base = base
        self.semaphore = semaphore
        self.provider = provider
        self.name = name
        self.arguments = arguments

    def copy(self, **changes):
        other = Note(**vars(self))
        for field, value in changes.items():
            setattr(other, field, value)
        return other

    @property
    def patched(self):
        return self.provider in OCAML_PROVIDERS


class ElfFile:
    def __init__(self, data):
        self.data = data
        (ident, self.type, self.machine, _, _, self.phoff, self.shoff, _, _, self.phentsize,
         self.phnum, self.shentsize, self.shnum, self.shstrndx) = EHDR.unpack_from(data)
        if ident[:5] != b"\x7fELF\x02":
            raise ValueError("no 64-bit ELF file")
        self.segments = [Segment(data, self.phoff + i * self.phentsize)
                         for i in range(self.phnum)]
        self.sections = [Section(data, self.shoff + i * self.shentsize)
                         for i in range(self.shnum)]
        self.names = self.sections[self.shstrndx].content(data) if self.sections else b""

    def loads(self, flag=0):
        return [s for s in self.segments if s.type == PT_LOAD and s.flags & flag == flag]

    def section_name(self, section):
        return self.names[section.name:].split(b"\0", 1)[0]

    def section(self, name):
        return next((s for s in self.sections if self.section_name(s) == name), None)

    def notes(self):
        for section in self.sections:
            if self.section_name(section) == b".note.stapsdt":
                yield from parse_notes(section.content(self.data))

    def symbols(self):
        """(address, name) of each symbol in .symtab."""
        table = next((s for s in self.sections if s.type == SHT_SYMTAB), None)
        if not table:
            return
        strings = self.sections[table.link].content(self.data)
        for name, _, _, _, value, _ in SYM.iter_unpack(table.content(self.data)):
            yield value, strings[name:strings.index(b"\0", name)]


def parse_notes(data):
    at = 0
    while at + 12 <= len(data):
        namesz, descsz, kind = struct.unpack_from("<III", data, at)
        owner = data[at + 12:at + 12 + namesz]
        at += 12 + (namesz + 3 & ~3)
        desc = data[at:at + descsz]
        at += descsz + 3 & ~3
        if owner == b"stapsdt\0" and kind == 3 and len(desc) > 24:
            words = struct.unpack_from("<QQQ", desc)
            yield Note(*words, *desc[24:].split(b"\0")[:3])
