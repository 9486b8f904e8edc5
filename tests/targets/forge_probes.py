# SPDX-License-Identifier: MIT
"""Cases of forge.py: notes in good order, that say what cannot be."""
import os

from forgery import collector, encode, wrap

CASES = {}
case = collector(CASES)

# Names and semaphores.

@case("left-out")
def empty_name(f):
    """a note with an empty name"""
    f.add_bad(name=b"")


@case("left-out")
def sdt_empty_name(f):
    """a SystemTap note with an empty name"""
    f.add_bad(provider=b"web", name=b"")


@case("any")
def empty_provider(f):
    """a note with an empty provider"""
    f.add_bad(provider=b"")


@case("left-out")
def no_semaphore(f):
    """an ocaml_1 note without a semaphore"""
    f.add_bad(semaphore=0)


@case("left-out")
def no_semaphore_ocaml(f):
    """an ocaml note without a semaphore"""
    f.add_bad(provider=b"ocaml", semaphore=0)


@case("left-out")
def no_semaphore_ocaml_dot_1(f):
    """an ocaml.1 note without a semaphore"""
    f.add_bad(provider=b"ocaml.1", semaphore=0)


@case("left-out")
def no_semaphore_ocaml_2(f):
    """an ocaml_2 note with neither semaphore nor site"""
    f.add_bad(provider=b"ocaml_2", semaphore=0, site=0)


@case("accepted")
def sdt_no_semaphore(f):
    """a SystemTap note without a semaphore: not shown, no fault"""
    f.add_bad(provider=b"web", semaphore=0)


@case("left-out")
def two_semaphores(f):
    """one name with two semaphores under ocaml_1"""
    f.add(f.bad(), f.bad(semaphore=f.good.semaphore + 4))


@case("left-out")
def two_semaphores_ocaml_dot_1(f):
    """one name with two semaphores under ocaml.1"""
    f.add(f.bad(provider=b"ocaml.1"), f.bad(provider=b"ocaml.1", semaphore=f.good.semaphore + 4))


@case("left-out")
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


@case("left-out")
def semaphore_in_text(f):
    """a semaphore in the code"""
    f.add_bad(semaphore=f.text.vaddr)


@case("left-out")
def semaphore_in_headers(f):
    """a semaphore in the read-only segment of the ELF header"""
    f.add_bad(semaphore=0x10)


@case("left-out")
def semaphore_outside(f):
    """a semaphore far behind the object"""
    f.add_bad(semaphore=0x10000000)


@case("left-out")
def semaphore_wild(f):
    """a semaphore in the kernel's half"""
    f.add_bad(semaphore=0xffffffff80000000)


@case("left-out")
def semaphore_wraps(f):
    """a semaphore that + 2 carries over the end of the address space"""
    f.add_bad(semaphore=2 ** 64 - 2)


@case("left-out")
def semaphore_at_end(f):
    """a semaphore whose counter (+ 2) is the first behind the writable segment"""
    f.add_bad(semaphore=f.writable.end - 2)


@case("left-out")
def semaphore_crosses_end(f):
    """a counter whose second byte is behind the writable segment"""
    f.add_bad(semaphore=f.writable.end - 3)


@case("left-out")
def sdt_semaphore_in_text(f):
    """a SystemTap semaphore in the code"""
    f.add_bad(provider=b"web", semaphore=f.text.vaddr)


@case("left-out")
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

@case("left-out")
def site_zero(f):
    """site 0 under ocaml_1"""
    f.add_bad(site=0)


@case("left-out")
def site_zero_ocaml(f):
    """site 0 under ocaml"""
    f.add_bad(provider=b"ocaml", site=0)


@case("left-out")
def site_zero_ocaml_dot_1(f):
    """site 0 under ocaml.1"""
    f.add_bad(provider=b"ocaml.1", site=0)


@case("accepted")
def site_zero_ocaml_2(f):
    """site 0 under ocaml_2: allowed, forged has no site"""
    f.add_bad(provider=b"ocaml_2", site=0)


@case("left-out")
def site_zero_sdt(f):
    """site 0 in a SystemTap note with a semaphore"""
    f.add_bad(provider=b"web", site=0)


@case("left-out")
def site_in_data(f):
    """a site in the writable segment"""
    f.add_bad(site=f.good.semaphore)


@case("left-out")
def site_in_headers(f):
    """a site in the read-only segment of the ELF header"""
    f.add_bad(site=0x10)


@case("left-out")
def site_outside(f):
    """a site far behind the object"""
    f.add_bad(site=0x10000000)


@case("left-out")
def site_wild(f):
    """a site in the kernel's half"""
    f.add_bad(site=0xffffffff80000000)


@case("left-out")
def site_wraps(f):
    """a site whose six bytes carry over the end of the address space"""
    f.add_bad(site=2 ** 64 - 3)


@case("left-out")
def site_before(f):
    """a site one byte before the executable segment"""
    f.add_bad(site=f.text.vaddr - 1)


@case("left-out")
def site_crosses_end(f):
    """a site whose six bytes end behind the executable segment"""
    f.add_bad(site=f.text.end - 3)


@case("left-out")
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


# What linkers leave behind of code and semaphores that they drop.

def first_segment(f, flags):
    """Gives the segment with the file's headers other permissions."""
    f.set_word("<I", f.elf.loads()[0].at + 4, flags)


@case("left-out")
def dropped_site_one(f):
    """a site at 1, where gold leaves it"""
    f.add_bad(site=1)


@case("left-out")
def dropped_semaphore_one(f):
    """a semaphore at 1"""
    f.add_bad(provider=b"web", semaphore=1)


@case("left-out")
def dropped_both(f):
    """a SystemTap note with site and semaphore at 0: told for its site"""
    f.add_bad(provider=b"web", site=0, semaphore=0)


@case("left-out")
def dropped_many(f):
    """a thousand notes of dropped functions, each of another name"""
    f.add(*(f.bad(name=b"forged%d" % i, site=i) for i in range(1000)))


@case("in-part")
def dropped_some_of_name(f):
    """a name with a live note between two of dropped functions: one site"""
    f.add(f.bad(site=0x17), f.bad(), f.bad(site=0x29, semaphore=1))


@case("in-part")
def dropped_other_semaphore(f):
    """a name with a second semaphore in a note that is left out: no contradiction"""
    f.add(f.bad(), f.bad(site=0, semaphore=f.good.semaphore + 4))


@case("left-out")
def dropped_into_elf_header(f):
    """a site in the ELF header, in a segment of code"""
    first_segment(f, 5)
    f.add_bad(provider=b"web", site=0x20)


@case("left-out")
def dropped_into_program_headers(f):
    """a site in the program headers, in a segment of code"""
    first_segment(f, 5)
    f.add_bad(provider=b"web", site=f.elf.phoff + f.elf.phentsize * f.elf.phnum - 1)


@case("left-out")
def dropped_across_program_headers(f):
    """a site of six bytes that begins before the end of the program headers, in a segment of code"""
    first_segment(f, 5)
    f.add_bad(site=f.elf.phoff + f.elf.phentsize * f.elf.phnum - 5)


@case("left-out")
def dropped_into_read_only_data(f):
    """a site behind the headers, in a segment of code, but in no section of code"""
    first_segment(f, 5)
    f.add_bad(provider=b"web", site=f.elf.phoff + f.elf.phentsize * f.elf.phnum + 8)


@case("left-out")
def dropped_semaphore_into_headers(f):
    """a semaphore in the ELF header, in a segment that is writable"""
    first_segment(f, 6)
    f.add_bad(provider=b"web", semaphore=0x10)


@case("any")
def dropped_kinds(f):
    """notes left out for each kind of reason"""
    f.add(f.bad(site=0), f.bad(semaphore=0x10), f.bad(semaphore=0), f.bad(name=b""),
          f.bad(name=b"both"), f.bad(name=b"both", semaphore=f.good.semaphore + 4),
          f.bad(provider=b"web", semaphore=0))
    f.set_section(f.section_content + wrap(encode(f.bad())[:30]) + b"cut")


@case("left-out")
def dropped_into_code(f):
    """a SystemTap site in code where no nop is"""
    f.add_bad(provider=b"web", site=f.good.site + 1)
