#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_ldd.py LIBRARIES FOLDER...

Compares the libraries that LIBRARIES (the target of that name) finds by reading with those that
ldd(1) finds by loading, for every dynamic program of this machine in the FOLDERs. Prints how many
were compared, and fails where a set differs.
"""
import os
import re
import struct
import subprocess
import sys

EM_X86_64, EM_AARCH64, PT_INTERP = 62, 183, 3
AT_ONCE = 50


def is_dynamic(path):
    """Is it an ELF program for 64 bits with a loader?"""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if head[:6] != b"\x7fELF\x02\x01":
                return False
            machine, = struct.unpack_from("<H", head, 18)
            offset, = struct.unpack_from("<Q", head, 32)
            size, count = struct.unpack_from("<HH", head, 54)
            file.seek(offset)
            headers = file.read(size * count)
    except OSError:
        return False
    return machine in (EM_X86_64, EM_AARCH64) and any(
        struct.unpack_from("<I", headers, at)[0] == PT_INTERP for at in range(0, len(headers), size))


def programs(folders):
    seen = set()
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            path = os.path.realpath(os.path.join(folder, name))
            if path not in seen and os.path.isfile(path) and is_dynamic(path):
                seen.add(path)
                yield path


def by_program(output, paths):
    """{program: its lines}, of output in which a line `PROGRAM:` is before each one's."""
    result, lines = {}, None
    for line in output.splitlines():
        if line[:-1] in paths and line.endswith(":"):
            lines = result.setdefault(line[:-1], set())
        elif lines is not None:
            lines.add(line)
    return result


def ldd_libraries(paths):
    output = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=False).stdout
    if len(paths) == 1:
        output = f"{paths[0]}:\n{output}"
    result = {}
    for path, lines in by_program(output, paths).items():
        found = set()
        for line in lines:
            match = re.fullmatch(r"\t(?:.* => )?(/.*) \(0x[0-9a-f]+\)", line)
            if match:
                found.add(match.group(1))
        result[path] = found
    return result


def main():
    libraries, *folders = sys.argv[1:]
    paths = list(programs(folders))
    differ = 0
    for start in range(0, len(paths), AT_ONCE):
        some = paths[start:start + AT_ONCE]
        ours = by_program(subprocess.run([libraries, *some], capture_output=True, text=True,
                                         check=True).stdout, some)
        theirs = ldd_libraries(some)
        for path in some:
            if ours.get(path) != theirs.get(path):
                differ += 1
                print(f"{path}: read {sorted(ours.get(path, set()) - theirs.get(path, set()))}, "
                      f"loaded {sorted(theirs.get(path, set()) - ours.get(path, set()))}")
    print(f"compared {len(paths)} programs, {differ} differ")
    sys.exit(1 if differ or not paths else 0)


main()
