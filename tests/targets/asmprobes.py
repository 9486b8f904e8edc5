# SPDX-License-Identifier: MIT
"""Writes the assembler half of a program with probes; bare.c is the other half.

Everything that ocaml-probes.h does with macros, done directly: tens of thousands of probes
assemble in a second, and a name may hold any bytes but NUL.
"""
import os
import subprocess
import tempfile

import elffile

HERE = os.path.dirname(os.path.abspath(__file__))

HEAD = """\
# Generated. One wrapper serves all sites: it counts.
.text
wrapper:
    pushfq
    lock incq site_hits(%rip)
    popfq
    ret
.globl run_sites
.type run_sites, @function
run_sites:
"""

TAIL = """\
    ret
.size run_sites, . - run_sites
.bss
.globl site_hits
.balign 8
site_hits: .skip 8
.section .stapsdt.base, "aG", @progbits, .stapsdt.base, comdat
.weak _.stapsdt.base
.hidden _.stapsdt.base
_.stapsdt.base: .skip 1
.section .note.GNU-stack, "", @progbits
"""


class Probe:
    """provider and name are bytes; symbol is the semaphore's name in the symbol table, or None."""

    def __init__(self, provider, name, sites, symbol=None):
        self.provider = provider
        self.name = name
        self.sites = sites
        self.symbol = symbol

    @property
    def patched(self):
        return self.provider in (b"ocaml", b"ocaml.1", b"ocaml_1", b"ocaml_2")


def quoted(data):
    """The bytes as an assembler's string; octal, as the assembler reads any length of hex."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7f and byte not in b'"\\' else "\\%03o" % byte
        for byte in data)


def write_program(out, probes):
    out.write(HEAD)
    number = 0
    for probe in probes:
        for _ in range(probe.sites):
            out.write(f".Ls{number}: nop\n")
            if probe.patched:
                out.write(f".byte {elffile.opcode('OFF')}\n.long wrapper - . - 4\n")
            number += 1
    out.write(TAIL)
    write_semaphores(out, probes)
    write_notes(out, probes)


def write_semaphores(out, probes):
    out.write('.section .probes, "aw", @progbits\n.balign 2\n')
    for number, probe in enumerate(probes):
        if probe.symbol:
            out.write(f".weak {probe.symbol}\n.hidden {probe.symbol}\n{probe.symbol}:\n")
        out.write(f".Lp{number}: .long 0\n")


def write_notes(out, probes):
    out.write('.section .note.stapsdt, "", @note\n.balign 4\n')
    site = 0
    for number, probe in enumerate(probes):
        size = 24 + len(probe.provider) + len(probe.name) + 3
        strings = f'.asciz "{quoted(probe.provider)}", "{quoted(probe.name)}", ""\n.balign 4\n'
        for _ in range(probe.sites):
            out.write(f'.long 8, {size}, 3\n.asciz "stapsdt"\n'
                      f".quad .Ls{site}, _.stapsdt.base, .Lp{number}\n{strings}")
            site += 1


def write_file(path, probes):
    with open(path, "w", encoding="ascii") as out:
        write_program(out, probes)


def build(path, probes):
    """Assembles and links the program; $CC as meson would choose it."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "probes.s")
        write_file(source, probes)
        subprocess.run(
            [os.environ.get("CC", "cc"), "-D_GNU_SOURCE", "-O1", "-o", path, source,
             os.path.join(HERE, "bare.c"), os.path.join(HERE, "pace.c")],
            check=True)
