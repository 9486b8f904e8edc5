#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generates a program with many probes (layout ocaml_1): probe_00000, probe_00001, ...

    many.py -p 1000 -s 3 -o many.s                  the assembler file; bare.c is the rest
    many.py -p 20000 -s 5 --build /tmp/many-20000   the program itself
"""
import argparse

import asmprobes


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-p", "--probes", type=int, default=1000)
    parser.add_argument("-s", "--sites", type=int, default=3, help="for each probe")
    parser.add_argument("-P", "--provider", default="ocaml_1")
    parser.add_argument("-o", "--output", help="write the assembler file")
    parser.add_argument("--build", metavar="PROGRAM", help="build the program")
    options = parser.parse_args()
    probes = []
    for number in range(options.probes):
        name = f"probe_{number:05}"
        probes.append(asmprobes.Probe(options.provider.encode(), name.encode(), options.sites,
                                      f"caml_probes_semaphore_{name}"))
    if options.output:
        asmprobes.write_file(options.output, probes)
    if options.build:
        asmprobes.build(options.build, probes)


main()
