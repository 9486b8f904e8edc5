#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_ldd.py LIBRARIES FOLDER...

Compares the libraries that LIBRARIES (the target of that name) finds by reading with those that
the program's loader finds by loading, for every dynamic program of this machine in the FOLDERs. It
is asked as ldd(1) asks it, without the many processes of that script. Prints how many were
compared, and fails where a set differs.
"""
import os
import re
import struct
import subprocess
import sys

EM_X86_64, EM_AARCH64, PT_INTERP = 62, 183, 3
AT_ONCE = 50
# glibc's --list ends with the first library that is not found; others' loaders know no trace, and
# would run the program.
LIST = """
while [ $# -gt 0 ]; do
    echo "$2:"
    case $1 in
    */ld-linux*) LD_TRACE_LOADED_OBJECTS=1 "$1" "$2" ;;
    *) "$1" --list "$2" ;;
    esac
    shift 2
done"""


def loader_of(path):
    """What an ELF program for 64 bits is loaded by; None for all else."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if head[:6] != b"\x7fELF\x02\x01":
                return None
            machine, = struct.unpack_from("<H", head, 18)
            offset, = struct.unpack_from("<Q", head, 32)
            size, count = struct.unpack_from("<HH", head, 54)
            file.seek(offset)
            headers = file.read(size * count)
            for at in range(0, len(headers), size):
                if struct.unpack_from("<I", headers, at)[0] == PT_INTERP:
                    file.seek(struct.unpack_from("<Q", headers, at + 8)[0])
                    name = file.read(struct.unpack_from("<Q", headers, at + 32)[0]).rstrip(b"\0")
                    return name.decode() if machine in (EM_X86_64, EM_AARCH64) else None
    except OSError:
        pass
    return None


def programs(folders):
    """{program: its loader}"""
    found = {}
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            path = os.path.realpath(os.path.join(folder, name))
            if path not in found and os.path.isfile(path) and (loader := loader_of(path)):
                found[path] = loader
    return found


def by_program(output, paths):
    """{program: its lines}, of output in which a line `PROGRAM:` is before each one's."""
    result, lines = {}, None
    for line in output.splitlines():
        if line[:-1] in paths and line.endswith(":"):
            lines = result.setdefault(line[:-1], set())
        elif lines is not None:
            lines.add(line)
    return result


def loaded_libraries(loaders):
    words = [word for path, loader in loaders.items() for word in (loader, path)]
    output = subprocess.run(["sh", "-c", LIST, "sh", *words], capture_output=True, text=True,
                            check=False).stdout
    result = {}
    for path, lines in by_program(output, loaders).items():
        found = set()
        for line in lines:
            match = re.fullmatch(r"\t(?:.* => )?(/.*) \(0x[0-9a-f]+\)", line)
            if match:
                found.add(match.group(1))
        result[path] = found
    return result


def main():
    libraries, *folders = sys.argv[1:]
    loaders = programs(folders)
    paths = list(loaders)
    differ = 0
    for start in range(0, len(paths), AT_ONCE):
        some = paths[start:start + AT_ONCE]
        ours = by_program(subprocess.run([libraries, *some], capture_output=True, text=True,
                                         check=True).stdout, some)
        theirs = loaded_libraries({path: loaders[path] for path in some})
        for path in some:
            if ours.get(path) != theirs.get(path):
                differ += 1
                print(f"{path}: read {sorted(ours.get(path, set()) - theirs.get(path, set()))}, "
                      f"loaded {sorted(theirs.get(path, set()) - ours.get(path, set()))}")
    print(f"compared {len(paths)} programs, {differ} differ")
    sys.exit(1 if differ or not paths else 0)


main()
