# SPDX-License-Identifier: MIT
"""Cases of forge.py: notes, sections and headers that are not in good order."""
from forgery import align4, collector, encode, wrap

CASES = {}
case = collector(CASES)

# The shape of notes.

@case("left-out")
def truncated_header(f):
    """the section ends inside a note's header"""
    f.add_raw(wrap(encode(f.bad()))[:8])


@case("left-out")
def truncated_owner(f):
    """the section ends inside a note's owner"""
    f.add_raw(wrap(encode(f.bad()))[:15])


@case("left-out")
def truncated_words(f):
    """the section ends inside a note's addresses"""
    f.add_raw(wrap(encode(f.bad()))[:32])


@case("left-out")
def truncated_strings(f):
    """the section ends inside a note's strings"""
    f.add_raw(wrap(encode(f.bad()))[:48])


@case("left-out")
def descsz_beyond(f):
    """a description one byte longer than the section"""
    desc = encode(f.bad())
    f.add_raw(wrap(desc, descsz=len(align4(desc)) + 1))


@case("left-out")
def descsz_overflow(f):
    """a description of 4 GiB - 1"""
    f.add_raw(wrap(encode(f.bad()), descsz=0xffffffff))


@case("left-out")
def descsz_align_overflow(f):
    """a description whose length becomes 0 when it is aligned in 32 bits"""
    f.add_raw(wrap(encode(f.bad()), descsz=0xfffffffd))


@case("left-out")
def namesz_overflow(f):
    """an owner of 4 GiB - 1"""
    f.add_raw(wrap(encode(f.bad()), namesz=0xffffffff))


@case("left-out")
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


@case("left-out")
def descsz_zero(f):
    """a stapsdt note without a description"""
    f.add_raw(wrap(b""))


@case("left-out")
def descsz_short(f):
    """a description of 23 bytes, too short for the addresses"""
    f.add_raw(wrap(encode(f.bad())[:23]))


@case("left-out")
def no_strings(f):
    """a description of 24 bytes: addresses alone"""
    f.add_raw(wrap(encode(f.bad())[:24]))


@case("left-out")
def provider_unterminated(f):
    """a provider without its NUL"""
    f.add_raw(wrap(encode(f.bad())[:24] + b"ocaml_1x"))


@case("left-out")
def name_unterminated(f):
    """a name without its NUL"""
    f.add_raw(wrap(encode(f.bad())[:24] + b"ocaml_1\0forged!!"))


@case("left-out")
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


@case("left-out")
def base_wrong(f):
    """a base that shifts site and semaphore out of the object"""
    f.add_bad(base=f.good.base + 0x10000000)


@case("left-out")
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
