#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check-includes.py [ROOT]

Holds every include of the sources against the table of folders in doc/ARCHITECTURE.md, and prints
those that the table does not allow. A row names a folder, or a file of one, and what it may use:
folders, files, and the libraries below. A folder may always use itself.
"""
import os
import re
import sys

TOPS = ("shared", "engine", "probefs", "probe-run", "probe-top", "mount-helper")

# Headers of the system that only some may include, by the word that the table has for them.
LIBRARIES = {
    "fuse.h": "libfuse", "fuse_lowlevel.h": "libfuse", "linux/fuse.h": "linux/fuse.h",
    "libelf.h": "libelf", "gelf.h": "libelf", "elf.h": "elf.h", "link.h": "elf.h",
    "sys/ptrace.h": "ptrace", "linux/ptrace.h": "ptrace",
    "sys/capability.h": "libcap", "bpf/bpf.h": "libbpf", "bpf/libbpf.h": "libbpf",
    "curses.h": "ncurses", "term.h": "ncurses",
    "probe-engine.h": "engine/probe-engine.h",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def read_table(root):
    """{place: what it may use}, from the rows that begin with a place in backquotes."""
    table = {}
    with open(os.path.join(root, "doc/ARCHITECTURE.md"), encoding="utf-8") as page:
        for line in page:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if line.startswith("| `") and len(cells) == 3 and cells[0].split("/")[0].strip("`") in TOPS:
                table[cells[0].strip("`")] = set(re.findall(r"`([^`]+)`", cells[2]))
    return table


def sources(root):
    for top in TOPS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def place_of(table, path):
    """The row that speaks of PATH: the file's own, or its folder's."""
    stem = os.path.splitext(path)[0]
    for place in (path, stem, os.path.dirname(path)):
        if place in table:
            return place
    return None


def resolve(root, path, name):
    """The file that `#include "NAME"` in PATH means."""
    top = path.split("/")[0]
    for base in (os.path.dirname(path), top, "."):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(root, candidate)):
            return candidate
    return None


def problems(root):
    table = read_table(root)
    for path in sources(root):
        place = place_of(table, path)
        if place is None:
            yield f"{path}: no row of the table speaks of it"
            continue
        with open(os.path.join(root, path), encoding="utf-8") as source:
            includes = INCLUDE.findall(source.read())
        for mark, name in includes:
            used = LIBRARIES.get(name) if mark == "<" else place_of(table, resolve(root, path, name) or "")
            if used is None and mark == "<":
                continue
            if used is None or (used != place and used not in table[place]):
                yield f"{path}: may not include {name} ({used or 'which is not found'})"


found = list(problems(sys.argv[1] if len(sys.argv) > 1 else "."))
print("\n".join(found), end="\n" if found else "")
sys.exit(1 if found else 0)
