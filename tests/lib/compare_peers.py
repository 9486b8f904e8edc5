#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_peers.py TREE PID

Compares the probes that TREE, a mount, shows of process PID with what others say of them: readelf of
each file whose code the process has mapped (names, and sites as offsets in the file), and gdb of the
process itself (names, and sites as addresses at run time). Prints how many there are, and fails,
with a line for each difference, where they are not the same.
"""
import collections
import os
import re
import subprocess
import sys

import live_notes

SITE = re.compile(r"([0-9a-fx]+) \S+ (.*?)\+(0x[0-9a-f]+)(?: |$)")


def mapped_code(pid):
    """The files whose code is mapped, as this process can open them."""
    found = {}
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            fields = line.rstrip("\n").split(maxsplit=5)
            if "x" in fields[1] and len(fields) == 6 and fields[5].startswith("/"):
                found[fields[5]] = f"/proc/{pid}/root{fields[5]}"
    return found


def by_readelf(pid):
    """{name: {(file, offset)}}"""
    result = collections.defaultdict(set)
    for path, opened in mapped_code(pid).items():
        for name, offsets in live_notes.find(opened)[0].items():
            result[name] |= {(os.path.basename(path), offset) for offset in offsets}
    return result


def by_gdb(pid):
    """{name: {address}}, of those with a semaphore"""
    said = subprocess.run(["gdb", "-q", "-nx", "-batch", "-p", str(pid), "-ex", "set width 0",
                           "-ex", "info probes stap"],
                          check=True, capture_output=True, text=True).stdout
    result = collections.defaultdict(set)
    for provider, name, address in re.findall(
            r"^stap +(\S+) +(\S+) +(0x[0-9a-f]+) +0x[0-9a-f]+ +(?:target:)?/", said, re.MULTILINE):
        result[f"{provider}:{name}"].add(int(address, 16))
    return result


def by_tree(tree, pid):
    """The same as both of the others."""
    offsets, addresses = collections.defaultdict(set), collections.defaultdict(set)
    for entry in os.scandir(f"{tree}/{pid}"):
        if not entry.is_dir(follow_symlinks=False):
            continue
        with open(f"{entry.path}/sites", encoding="utf-8") as sites:
            for line in sites:
                address, path, offset = SITE.match(line).groups()
                offsets[entry.name].add((os.path.basename(path), int(offset, 16)))
                addresses[entry.name].add(int(address, 16))
    return offsets, addresses


def differences(expected, shown, who):
    for name in sorted(expected.keys() | shown.keys()):
        if expected.get(name, set()) != shown.get(name, set()):
            yield (f"{name}: {who} says {sorted(expected.get(name, []))}, "
                   f"the tree {sorted(shown.get(name, []))}")


def main():
    tree, pid = sys.argv[1], int(sys.argv[2])
    offsets, addresses = by_tree(tree, pid)
    different = [*differences(by_readelf(pid), offsets, "readelf"),
                 *differences(by_gdb(pid), addresses, "gdb")]
    print(len(offsets), "probes,", sum(map(len, addresses.values())), "sites")
    sys.exit("\n".join(different) if different or not offsets else 0)


main()
