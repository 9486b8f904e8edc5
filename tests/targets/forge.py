#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes an ELF file whose probes contradict the format, out of a good one (libplug.so, a demo).

    forge.py CASE INPUT OUTPUT
    forge.py --all INPUT FOLDER     every case, as FOLDER/CASE.so
    forge.py --list                 a line a case: CASE EXPECTED LOADABLE MEANING

EXPECTED is what the contract makes of the object:
    refused     none of its probes is shown, and error_log says why
    accepted    its good probes (those of INPUT) are shown
    none        no notes can be found: there is nothing to show
    any         the contract leaves it open, but nothing may crash, hang or write

LOADABLE says whether dlopen still takes the file. Most cases keep the notes of INPUT and add a
bad one behind them, as a reader that stops at the first bad note would show the good ones.
"""
import argparse
import os
import struct

from elffile import PF_W, PF_X, ElfFile, Section

CASES = {}


def case(expected, loadable=True):
    def add(function):
        name = function.__name__.strip("_").replace("_", "-")
        CASES[name] = (function, expected, loadable)
        return function
    return add


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


# Names and semaphores.

@case("refused")
def empty_name(f):
    """a note with an empty name"""
    f.add_bad(name=b"")


@case("refused")
def sdt_empty_name(f):
    """a SystemTap note with an empty name"""
    f.add_bad(provider=b"web", name=b"")


@case("any")
def empty_provider(f):
    """a note with an empty provider"""
    f.add_bad(provider=b"")


@case("refused")
def no_semaphore(f):
    """an ocaml_1 note without a semaphore"""
    f.add_bad(semaphore=0)


@case("refused")
def no_semaphore_ocaml(f):
    """an ocaml note without a semaphore"""
    f.add_bad(provider=b"ocaml", semaphore=0)


@case("refused")
def no_semaphore_ocaml_dot_1(f):
    """an ocaml.1 note without a semaphore"""
    f.add_bad(provider=b"ocaml.1", semaphore=0)


@case("refused")
def no_semaphore_ocaml_2(f):
    """an ocaml_2 note with neither semaphore nor site"""
    f.add_bad(provider=b"ocaml_2", semaphore=0, site=0)


@case("accepted")
def sdt_no_semaphore(f):
    """a SystemTap note without a semaphore: not shown, no fault"""
    f.add_bad(provider=b"web", semaphore=0)


@case("refused")
def two_semaphores(f):
    """one name with two semaphores under ocaml_1"""
    f.add(f.bad(), f.bad(semaphore=f.good.semaphore + 4))


@case("refused")
def two_semaphores_ocaml_dot_1(f):
    """one name with two semaphores under ocaml.1"""
    f.add(f.bad(provider=b"ocaml.1"), f.bad(provider=b"ocaml.1", semaphore=f.good.semaphore + 4))


@case("refused")
def two_semaphores_ocaml_2(f):
    """one name with two semaphores under ocaml_2"""
    f.add(f.bad(provider=b"ocaml_2"), f.bad(provider=b"ocaml_2", semaphore=f.good.semaphore + 4))


@case("any")
def two_semaphores_mixed(f):
    """one name with a semaphore under ocaml_1 and another under ocaml_2"""
    f.add(f.bad(), f.bad(provider=b"ocaml_2", semaphore=f.good.semaphore + 4))


@case("accepted")
def two_semaphores_ocaml(f):
    """one name with two semaphores under ocaml: allowed, forged has two counters"""
    f.add(f.bad(provider=b"ocaml"), f.bad(provider=b"ocaml", semaphore=f.good.semaphore + 4))


@case("accepted")
def two_semaphores_sdt(f):
    """one name with two semaphores under SystemTap: allowed, web:forged has two counters"""
    f.add(f.bad(provider=b"web"), f.bad(provider=b"web", semaphore=f.good.semaphore + 4))


@case("refused")
def semaphore_in_text(f):
    """a semaphore in the code"""
    f.add_bad(semaphore=f.text.vaddr)


@case("refused")
def semaphore_in_headers(f):
    """a semaphore in the read-only segment of the ELF header"""
    f.add_bad(semaphore=0x10)


@case("refused")
def semaphore_outside(f):
    """a semaphore far behind the object"""
    f.add_bad(semaphore=0x10000000)


@case("refused")
def semaphore_wild(f):
    """a semaphore in the kernel's half"""
    f.add_bad(semaphore=0xffffffff80000000)


@case("refused")
def semaphore_wraps(f):
    """a semaphore that + 2 carries over the end of the address space"""
    f.add_bad(semaphore=2 ** 64 - 2)


@case("refused")
def semaphore_at_end(f):
    """a semaphore whose counter (+ 2) is the first behind the writable segment"""
    f.add_bad(semaphore=f.writable.end - 2)


@case("refused")
def semaphore_crosses_end(f):
    """a counter whose second byte is behind the writable segment"""
    f.add_bad(semaphore=f.writable.end - 3)


@case("refused")
def sdt_semaphore_in_text(f):
    """a SystemTap semaphore in the code"""
    f.add_bad(provider=b"web", semaphore=f.text.vaddr)


@case("refused")
def sdt_semaphore_outside(f):
    """a SystemTap semaphore far behind the object"""
    f.add_bad(provider=b"web", semaphore=0x10000000)


@case("any")
def semaphore_relro(f):
    """a semaphore in a writable segment's first bytes, which RELRO makes read-only"""
    f.add_bad(semaphore=f.writable.vaddr)


@case("any")
def semaphore_odd(f):
    """a semaphore at an odd address"""
    f.add_bad(semaphore=f.good.semaphore + 1)


@case("any")
def semaphores_overlap(f):
    """two probes whose counters share one byte"""
    f.add(f.bad(name=b"forged_a"), f.bad(name=b"forged_b", semaphore=f.good.semaphore + 1))


@case("accepted")
def semaphore_shared(f):
    """two OCaml names with the same semaphore and site"""
    f.add_bad()


@case("accepted")
def semaphore_shared_with_sdt(f):
    """a SystemTap probe whose counter is that of an OCaml probe"""
    f.add_bad(provider=b"web", semaphore=f.good.semaphore + 2)


# Sites.

@case("refused")
def site_zero(f):
    """site 0 under ocaml_1"""
    f.add_bad(site=0)


@case("refused")
def site_zero_ocaml(f):
    """site 0 under ocaml"""
    f.add_bad(provider=b"ocaml", site=0)


@case("refused")
def site_zero_ocaml_dot_1(f):
    """site 0 under ocaml.1"""
    f.add_bad(provider=b"ocaml.1", site=0)


@case("accepted")
def site_zero_ocaml_2(f):
    """site 0 under ocaml_2: allowed, forged has no site"""
    f.add_bad(provider=b"ocaml_2", site=0)


@case("refused")
def site_zero_sdt(f):
    """site 0 in a SystemTap note with a semaphore"""
    f.add_bad(provider=b"web", site=0)


@case("refused")
def site_in_data(f):
    """a site in the writable segment"""
    f.add_bad(site=f.good.semaphore)


@case("refused")
def site_in_headers(f):
    """a site in the read-only segment of the ELF header"""
    f.add_bad(site=0x10)


@case("refused")
def site_outside(f):
    """a site far behind the object"""
    f.add_bad(site=0x10000000)


@case("refused")
def site_wild(f):
    """a site in the kernel's half"""
    f.add_bad(site=0xffffffff80000000)


@case("refused")
def site_wraps(f):
    """a site whose six bytes carry over the end of the address space"""
    f.add_bad(site=2 ** 64 - 3)


@case("refused")
def site_before(f):
    """a site one byte before the executable segment"""
    f.add_bad(site=f.text.vaddr - 1)


@case("refused")
def site_crosses_end(f):
    """a site whose six bytes end behind the executable segment"""
    f.add_bad(site=f.text.end - 3)


@case("refused")
def sdt_site_in_data(f):
    """a SystemTap site in the writable segment"""
    f.add_bad(provider=b"web", site=f.good.semaphore)


@case("accepted")
def site_no_probe(f):
    """a site in code where no probe is: shown, and ENOEXEC on writing"""
    f.add_bad(site=f.text.vaddr)


@case("any")
def site_inside_another(f):
    """a site one byte behind another's: the switch byte is 3d, the bytes are no site"""
    f.add_bad(site=f.good.site + 1)


@case("accepted")
def site_twice(f):
    """each note twice"""
    f.add_raw(f.intact())


@case("accepted")
def many_notes(f):
    """100,000 notes of one probe, or as many as NOTES in the environment says"""
    f.add_raw(wrap(encode(f.bad())) * int(os.environ.get("NOTES", "100000")))


@case("accepted")
def names_of_every_byte(f):
    """a probe for each byte that a name can have, inside of it and as its first"""
    f.add(*(f.bad(name=name) for byte in range(1, 256)
            for name in (b"in%cside" % byte, b"%cfirst" % byte)))


# The shape of notes.

@case("refused")
def truncated_header(f):
    """the section ends inside a note's header"""
    f.add_raw(wrap(encode(f.bad()))[:8])


@case("refused")
def truncated_owner(f):
    """the section ends inside a note's owner"""
    f.add_raw(wrap(encode(f.bad()))[:15])


@case("refused")
def truncated_words(f):
    """the section ends inside a note's addresses"""
    f.add_raw(wrap(encode(f.bad()))[:32])


@case("refused")
def truncated_strings(f):
    """the section ends inside a note's strings"""
    f.add_raw(wrap(encode(f.bad()))[:48])


@case("refused")
def descsz_beyond(f):
    """a description one byte longer than the section"""
    desc = encode(f.bad())
    f.add_raw(wrap(desc, descsz=len(align4(desc)) + 1))


@case("refused")
def descsz_overflow(f):
    """a description of 4 GiB - 1"""
    f.add_raw(wrap(encode(f.bad()), descsz=0xffffffff))


@case("refused")
def descsz_align_overflow(f):
    """a description whose length becomes 0 when it is aligned in 32 bits"""
    f.add_raw(wrap(encode(f.bad()), descsz=0xfffffffd))


@case("refused")
def namesz_overflow(f):
    """an owner of 4 GiB - 1"""
    f.add_raw(wrap(encode(f.bad()), namesz=0xffffffff))


@case("refused")
def namesz_align_overflow(f):
    """an owner whose length becomes 0 when it is aligned in 32 bits"""
    f.add_raw(wrap(encode(f.bad()), namesz=0xfffffffe))


@case("any")
def namesz_zero(f):
    """a note without an owner"""
    f.add_raw(wrap(encode(f.bad()), owner=b""))


@case("any")
def zeros(f):
    """notes of nothing but zeros"""
    f.add_raw(bytes(4096))


@case("refused")
def descsz_zero(f):
    """a stapsdt note without a description"""
    f.add_raw(wrap(b""))


@case("refused")
def descsz_short(f):
    """a description of 23 bytes, too short for the addresses"""
    f.add_raw(wrap(encode(f.bad())[:23]))


@case("refused")
def no_strings(f):
    """a description of 24 bytes: addresses alone"""
    f.add_raw(wrap(encode(f.bad())[:24]))


@case("refused")
def provider_unterminated(f):
    """a provider without its NUL"""
    f.add_raw(wrap(encode(f.bad())[:24] + b"ocaml_1x"))


@case("refused")
def name_unterminated(f):
    """a name without its NUL"""
    f.add_raw(wrap(encode(f.bad())[:24] + b"ocaml_1\0forged!!"))


@case("refused")
def name_missing(f):
    """a description that ends behind the provider's NUL"""
    f.add_raw(wrap(encode(f.bad())[:24] + b"ocaml_1\0"))


@case("any")
def arguments_missing(f):
    """a description that ends behind the name's NUL"""
    f.add_raw(wrap(encode(f.bad())[:24] + b"ocaml_1\0forged\0"))


@case("any")
def arguments_unterminated(f):
    """arguments without their NUL"""
    f.add_raw(wrap(encode(f.bad())[:24] + b"ocaml_1\0forged\x008@%rax"))


@case("any")
def string_behind_arguments(f):
    """more bytes behind the arguments' NUL"""
    f.add_raw(wrap(encode(f.bad()) + b"more\0"))


@case("accepted")
def other_owner(f):
    """a note of another owner, to be passed over"""
    f.add_raw(wrap(b"whatever it says", owner=b"GNU\0"))


@case("accepted")
def other_type(f):
    """a stapsdt note of another type, to be passed over"""
    f.add_raw(wrap(b"whatever it says", kind=4))


@case("accepted")
def arguments_hostile(f):
    """arguments that would fool a terminal; an escape, a newline, a carriage return"""
    f.add_bad(arguments=b"8@%rax\n1 1 9 fake\x1b[2J\r\x07\x9b1m\xff")


@case("accepted")
def arguments_long(f):
    """arguments of 100,000 bytes"""
    f.add_bad(arguments=b"8@%rax " * 14285)


@case("accepted")
def name_long(f):
    """a name of 100,000 bytes"""
    f.add_bad(name=b"long" * 25000)


@case("accepted")
def name_hostile(f):
    """names that would fool a terminal or a tree"""
    names = (b"\x1b[31m", b"../../etc/passwd", b"a\nb", b"..", b"enabled", b"\xff\xfe")
    f.add(*(f.bad(name=name) for name in names))


# The base.

@case("accepted")
def base_shift(f):
    """all addresses 0x1000 lower than linked, base too: right after the shift"""
    f.notes = [n.copy(base=n.base - 0x1000, semaphore=n.semaphore - 0x1000,
                      site=n.site and n.site - 0x1000) for n in f.notes]
    f.add_raw()


@case("accepted")
def base_shift_up(f):
    """all addresses 0x1000 higher than linked, base too: right after the shift"""
    f.notes = [n.copy(base=n.base + 0x1000, semaphore=n.semaphore + 0x1000,
                      site=n.site and n.site + 0x1000) for n in f.notes]
    f.add_raw()


@case("accepted")
def base_zero(f):
    """base 0 in each note: no shift"""
    f.notes = [n.copy(base=0) for n in f.notes]
    f.add_raw()


@case("accepted")
def base_section_gone(f):
    """no section .stapsdt.base, but a base in the notes: no shift"""
    f.set_header(f.elf.section(b".stapsdt.base"), name=0)


@case("refused")
def base_wrong(f):
    """a base that shifts site and semaphore out of the object"""
    f.add_bad(base=f.good.base + 0x10000000)


@case("refused")
def base_wraps(f):
    """a base that shifts the site into the data"""
    f.add_bad(base=f.good.base - (f.good.semaphore - f.good.site))


@case("accepted")
def base_site_zero(f):
    """an ocaml_2 note with site 0 and a shift: 0 is not an address to shift"""
    f.add(f.good.copy(name=b"forged", provider=b"ocaml_2", site=0, base=f.good.base - 0x1000,
                      semaphore=f.good.semaphore - 0x1000))


# Sections.

@case("refused")
def section_beyond_file(f):
    """the section reaches one byte beyond the file"""
    f.add_raw()
    f.set_header(size=len(f.intact()) + 1)


@case("refused")
def section_far_beyond(f):
    """the section starts beyond the file"""
    f.set_header(offset=2 ** 40)


@case("refused")
def section_offset_overflow(f):
    """the section's offset and size add up to a small number"""
    f.set_header(offset=2 ** 64 - 16, size=64)


@case("refused")
def section_size_huge(f):
    """a section of 2^63 bytes"""
    f.set_header(size=2 ** 63)


@case("any")
def section_over_code(f):
    """the section lies over the code"""
    f.set_header(offset=f.text.offset, size=f.text.filesz)


@case("any")
def sections_overlap(f):
    """sections that lie over each other: the notes are their own names, and the symbols' strings"""
    names = f.elf.sections[f.elf.shstrndx]
    for section in f.elf.sections:
        if section.type in (2, 3):
            f.set_header(section, offset=f.section.offset, size=f.section.size)
    f.set_header(offset=names.offset, size=names.size)
    f.set_header(names, offset=names.offset, size=names.size)


@case("none")
def section_empty(f):
    """an empty section"""
    f.set_header(size=0)


@case("any")
def section_nobits(f):
    """the section says that it has no bytes in the file"""
    f.set_header(type=8)


@case("any")
def section_compressed(f):
    """the section says that it is compressed"""
    f.set_header(flags=0x800)


@case("any")
def section_align_8(f):
    """the section says that its notes are aligned to 8"""
    f.set_header(addralign=8)


@case("any")
def section_is_file(f):
    """the section is the whole file"""
    f.set_header(offset=0, size=len(f.data))


@case("none")
def section_name_beyond(f):
    """the name of the section lies beyond the table of names"""
    f.set_header(name=0xffffffff)


@case("any")
def section_names_gone(f):
    """e_shstrndx names a section that is not there"""
    f.set_word("<H", 62, 0xfff0)


@case("any")
def section_names_beyond(f):
    """the table of section names lies beyond the file"""
    f.set_header(f.elf.sections[f.elf.shstrndx], offset=2 ** 50)


@case("any")
def section_names_unterminated(f):
    """the table of section names has no NUL at its end"""
    names = f.elf.sections[f.elf.shstrndx]
    f.set_header(names, size=f.section.name + len(".note.stapsdt"))


@case("none")
def no_sections(f):
    """no section headers at all"""
    f.set_word("<Q", 40, 0)
    f.set_word("<I", 60, 0)


@case("any")
def sections_beyond_file(f):
    """the section headers lie beyond the file"""
    f.set_word("<Q", 40, len(f.data) + 4096)


@case("any")
def sections_offset_overflow(f):
    """the section headers lie at the end of the 64-bit numbers"""
    f.set_word("<Q", 40, 2 ** 64 - 64)


@case("any")
def sections_too_many(f):
    """65,279 section headers, most of them beyond the file"""
    f.set_word("<H", 60, 0xfeff)


@case("any")
def sections_extended(f):
    """e_shnum 0: the number is in the first header, and is 2^64 - 1"""
    f.set_word("<H", 60, 0)
    f.set_header(f.elf.sections[0], size=2 ** 64 - 1)


@case("any")
def sections_small(f):
    """section headers of 8 bytes"""
    f.set_word("<H", 58, 8)


@case("any")
def symbols_beyond(f):
    """symbols beyond the file, and an ocaml note, whose layout needs them"""
    table = f.elf.section(b".symtab")
    if table:
        f.set_header(table, offset=2 ** 50)
    f.add_bad(provider=b"ocaml")


@case("any")
def symbols_link_wrong(f):
    """symbols whose names are in no section, and an ocaml note"""
    table = f.elf.section(b".symtab")
    if table:
        f.set_header(table, link=0xfffffff0)
    f.add_bad(provider=b"ocaml")


@case("any")
def symbols_entsize(f):
    """symbols of 0 bytes each, and an ocaml note"""
    table = f.elf.section(b".symtab")
    if table:
        f.set_header(table, entsize=0)
    f.add_bad(provider=b"ocaml")


@case("any")
def symbols_names_beyond(f):
    """symbols whose names lie beyond the table of names, and an ocaml note"""
    table = f.elf.section(b".symtab")
    for at in range(table.offset, table.offset + table.size, 24) if table else ():
        f.set_word("<I", at, 0xffffff00)
    f.add_bad(provider=b"ocaml")


@case("any")
def two_sections(f):
    """two sections .note.stapsdt, the second (once .comment) with a probe without a name"""
    other = f.elf.section(b".comment")
    f.add_raw()
    content = wrap(encode(f.bad(name=b"")))
    f.set_header(other, name=f.section.name, type=7, offset=len(f.data), size=len(content))
    f.data += content


# Headers that the loader itself looks at. For probe-run -l and for files mapped by hand.

@case("any", loadable=False)
def truncated_file(f):
    """the first 40 bytes of an ELF file"""
    del f.data[40:]


@case("any", loadable=False)
def empty_file(f):
    """no byte at all"""
    del f.data[:]


@case("any", loadable=False)
def text_file(f):
    """no ELF file"""
    f.data[:] = b"#!/bin/sh\necho probes\n"


@case("any", loadable=False)
def class_32(f):
    """a file that says it is of 32 bits"""
    f.data[4] = 1


@case("any", loadable=False)
def big_endian(f):
    """a file that says it is big-endian"""
    f.data[5] = 2


@case("any", loadable=False)
def other_machine(f):
    """a file for another processor"""
    f.set_word("<H", 18, 183)


@case("any", loadable=False)
def segments_beyond_file(f):
    """the program headers lie beyond the file"""
    f.set_word("<Q", 32, len(f.data) + 4096)


@case("any", loadable=False)
def segments_too_many(f):
    """65,535 program headers"""
    f.set_word("<H", 56, 0xffff)


@case("any", loadable=False)
def segments_none(f):
    """no program headers"""
    f.set_word("<H", 56, 0)


@case("any")
def segment_overflow(f):
    """an executable segment that ends beyond the address space"""
    f.set_word("<Q", f.text.at + 40, 2 ** 64 - 1)


@case("any", loadable=False)
def segment_offset_wrong(f):
    """an executable segment beyond the file"""
    f.set_word("<Q", f.text.at + 8, 2 ** 50)


@case("any", loadable=False)
def segment_all_of_memory(f):
    """one segment, writable and executable, over all of the address space"""
    f.set_word("<I", f.text.at + 4, 7)
    f.set_word("<Q", f.text.at + 16, 0)
    f.set_word("<Q", f.text.at + 40, 2 ** 63)


def forge(name, data):
    forgery = Forgery(data)
    CASES[name][0](forgery)
    return bytes(forgery.data)


def write_file(path, data):
    with open(path, "wb") as out:
        out.write(data)
    os.chmod(path, 0o755)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("words", nargs="*", metavar="CASE INPUT OUTPUT")
    options = parser.parse_args()
    if options.list:
        for name, (function, expected, loadable) in CASES.items():
            print(name, expected, "yes" if loadable else "no", function.__doc__)
        return
    if len(options.words) != 3 - options.all:
        parser.error("CASE INPUT OUTPUT, or --all INPUT FOLDER")
    source, output = options.words[-2:]
    with open(source, "rb") as file:
        data = file.read()
    if not options.all:
        if options.words[0] not in CASES:
            parser.error(f"no case '{options.words[0]}' (--list shows them)")
        write_file(output, forge(options.words[0], data))
        return
    for name in CASES:
        write_file(os.path.join(output, name + ".so"), forge(name, data))


main()
