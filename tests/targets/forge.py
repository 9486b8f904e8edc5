#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes an ELF file whose probes contradict the format, out of a good one (libplug.so, a demo).

    forge.py CASE INPUT OUTPUT
    forge.py --all INPUT FOLDER     every case, as FOLDER/CASE.so
    forge.py --list                 a line a case: CASE EXPECTED LOADABLE MEANING

EXPECTED is what the documentation makes of the object:
    refused     none of its probes is shown, and error_log says why
    left-out    its good probes (those of INPUT) are shown and nothing else, and error_log says why
    in-part     its good probes are shown, and `forged`, of which error_log says what is left out
    accepted    its good probes are shown
    none        no notes can be found: there is nothing to show
    any         the documentation leaves it open, but nothing may crash, hang or write

LOADABLE says whether dlopen still takes the file. Most cases keep the notes of INPUT and add a
bad one behind them.
"""
import argparse
import os

import forge_file
import forge_probes
from forgery import Forgery

CASES = {**forge_probes.CASES, **forge_file.CASES}


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
