#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the tree has to show of a program, from what `readelf` says of it.

    live_notes.py PROGRAM

A line for each name, sorted: NAME OFFSET..., its sites as offsets in the file. Then how many notes
there are no lines for: `left out N`, of code or semaphores that are not there, and `watch only N`,
which have no semaphore.
"""
import collections
import re
import subprocess
import sys

NOPS = (b"\x90", b"\x66\x90", b"\x0f\x1f", b"\x66\x0f\x1f")


def readelf(options, program):
    return subprocess.run(["readelf", options, program], check=True, capture_output=True,
                          text=True).stdout


def notes(program):
    """(provider, name, site, semaphore) of each, as the linker wrote them."""
    pattern = re.compile(r"Provider: (.*)\n *Name: (.*)\n *Location: (\S+), Base: (\S+), "
                         r"Semaphore: (\S+)")
    for provider, name, site, base, semaphore in pattern.findall(readelf("-nW", program)):
        yield provider, name, int(site, 16), int(base, 16), int(semaphore, 16)


def sections(program):
    """name: (address, offset, size, flags)"""
    pattern = re.compile(r"\] (\S*) +\S+ +([0-9a-f]{16}) ([0-9a-f]+) ([0-9a-f]+) \S+ +([A-Za-z]*) ")
    return [(name, int(address, 16), int(offset, 16), int(size, 16), flags) for
            name, address, offset, size, flags in pattern.findall(readelf("-SW", program))]


def find(program):
    """({name: offsets}, left out, watch only)"""
    all_sections = sections(program)
    shown, left_out, watch_only = collections.defaultdict(set), 0, 0
    with open(program, "rb") as file:
        data = file.read()
    bases = [address for name, address, *_ in all_sections if name == ".stapsdt.base"]
    for provider, name, site, base, semaphore in notes(program):
        shift = bases[0] - base if bases and base else 0
        site += shift if site else 0
        semaphore += shift if semaphore else 0
        code = [offset + site - address for _, address, offset, size, flags in all_sections
                if "X" in flags and "A" in flags and address <= site < address + size]
        written = [flags for _, address, _, size, flags in all_sections
                   if "W" in flags and "A" in flags and address <= semaphore < address + size]
        if not code or not data.startswith(NOPS, code[0]):
            left_out += 1
        elif semaphore == 0:
            watch_only += 1
        elif not written:
            left_out += 1
        else:
            shown[f"{provider}:{name}"].add(code[0])
    return shown, left_out, watch_only


def main():
    shown, left_out, watch_only = find(sys.argv[1])
    for name in sorted(shown):
        print(name, *(f"{offset:#x}" for offset in sorted(shown[name])))
    print("left out", left_out)
    print("watch only", watch_only)


if __name__ == "__main__":
    main()
