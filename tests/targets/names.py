#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generates a program whose probes have names that a tree of files has to escape.

    names.py -o names.s        the assembler file; bare.c is the rest
    names.py --build PROGRAM   the program itself
    names.py --expected        what probefs(5) makes of each name, one a line:
                                   PROVIDER HEX-OF-THE-NAME EXPECTED
                               EXPECTED is `?` where that leaves it open; a name that has
                               to be cut ends in `~*` (its hash is free).
"""
import argparse

import asmprobes

ALWAYS = b" /%,*?[]\\\x7f" + bytes(range(0x20))
RESERVED = (b"exe", b"enabled", b"info", b"control", b"error_log", b"hits", b"trace")
LONGEST = 255

OCAML = [
    b"plain", b"dotted.name", b".hidden", b"UPPER", b"dash-", b"under_score", b"a~b", b"a#b",
    b"a=b", b"exe2", b"infos", b"$HOME", b"'quoted'", b'"double"', b"semi;colon", b"a&b",
    b"pipe|", b"<angle>", b"(round)", b"{curly}", b"!bang", b"@at", b"`tick`", b"$(>ran)", b"-dash", b"^",
    b"0", b"1", b"=1", b"+1",
    b"a\nb", b"\n", b"a\tb", b"a\rb", b"\x1b[31mred", b"bell\x07", b"del\x7f", b"\x01",
    b"a b", b" ", b" lead", b"trail ", b"a/b", b"/", b"../../etc", b"a%20b", b"%", b"a,b", b",",
    b"a*b", b"*", b"a?b", b"a[b", b"a]b", b"[ab]", b"a\\b",
    b"~tilde", b"~", b"#hash", b"#", b"=equals", b".", b"..", b"...",
    b".trace", b"exe", b"enabled", b"info", b"control", b"error_log", b"hits", b"trace",
    b"a:b", b":", b"web:request",
    "prüfung_日本語".encode(), b"bad\xffutf8", b"c1\xc2\x85next", b"rtl\xe2\x80\xaename",
    b"F" * LONGEST, b"L" * LONGEST + b"one", b"L" * LONGEST + b"two", b"M" * 300,
    b"s " * 100,
]

# A name of one provider that looks like that of another, and a pair that nothing tells apart.
SYSTEMTAP = [
    (b"web", b"request"), (b"a", b"b"), (b"we b", b"re/quest"), (b"web", b"exe"),
    (b"exe", b"exe"), (b"~web", b"x"), (b".web", b"x"), (b"web", b".x"), (b"x:y", b"z"), (b"x", b"y:z"),
]


def all_probes():
    probes = [asmprobes.Probe(b"ocaml_1", name, 1) for name in OCAML]
    return probes + [asmprobes.Probe(provider, name, 1) for provider, name in SYSTEMTAP]


def percent(byte):
    return b"%%%02X" % byte


def expected(probe):
    """The name in the tree, from the text of probefs(5) alone. None: it does not say."""
    ocaml = probe.patched
    name = probe.name if ocaml else probe.provider + b":" + probe.name
    if any(byte >= 0x80 for byte in name) or not ocaml and name.count(b":") > 1:
        return None
    first = name[:1] in b".~#=" or name in RESERVED
    always = ALWAYS + (b":" if ocaml else b"")
    parts = [percent(byte) if byte in always or first and i == 0 else bytes([byte])
             for i, byte in enumerate(name)]
    text = b"".join(parts)
    if len(text) <= LONGEST:
        return text.decode()
    return text.decode()[:64] + "~*"


def print_expected():
    for probe in all_probes():
        text = expected(probe)
        print(asmprobes.quoted(probe.provider).replace(" ", "\\040"), probe.name.hex(),
              "?" if text is None else text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", help="write the assembler file")
    parser.add_argument("--build", metavar="PROGRAM", help="build the program")
    parser.add_argument("--expected", action="store_true")
    options = parser.parse_args()
    if options.output:
        asmprobes.write_file(options.output, all_probes())
    if options.build:
        asmprobes.build(options.build, all_probes())
    if options.expected:
        print_expected()


main()
