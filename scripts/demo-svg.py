#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""demo-svg.py < LOG > demo.svg       (record-demo.sh does all of it)

Makes a picture of a terminal from what `./run demo` says, which it plays: commands appear one after
the other, and stay. The layout depends on the text alone.
"""
import html
import sys

COLUMNS = 92
WIDTH, HEIGHT, TOP, LEFT = 8.4, 19, 46, 16
DELAY = 0.9

STYLE = """
.w { fill: #1d2330 } .t { font: 14px ui-monospace, 'DejaVu Sans Mono', Menlo, monospace }
.o { fill: #c8d0e0 } .c { fill: #9ece6a; font-weight: bold } .n { fill: #7f8aa3 }
.s { animation: show 0.1s linear both }
@keyframes show { from { opacity: 0 } to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { .s { animation: none } }
"""


def lines_of(text):
    """The session alone: from the first listing on, without what follows its end."""
    lines = text.replace("\r", "").expandtabs().splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("$ ls "))
    end = next(i for i, line in enumerate(lines) if line.startswith("It is yours now"))
    while lines[end - 1] == "":
        end -= 1
    for line in lines[begin:end]:
        while len(line) > COLUMNS:
            yield line[:COLUMNS]
            line = "    " + line[COLUMNS:]
        yield line


def kind(line):
    if line.startswith("$ "):
        return "c"
    return "n" if line.startswith("#") else "o"


def picture(lines):
    width = round(COLUMNS * WIDTH + 2 * LEFT)
    height = TOP + len(lines) * HEIGHT + 8
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'width="{width}" height="{height}" role="img" aria-label="A session with probefs">')
    yield f"<style>{STYLE}</style>"
    yield f'<rect class="w" width="{width}" height="{height}" rx="9"/>'
    for x, colour in ((20, "#f7768e"), (40, "#e0af68"), (60, "#9ece6a")):
        yield f'<circle cx="{x}" cy="19" r="6" fill="{colour}"/>'
    step = 0
    for i, line in enumerate(lines):
        step += kind(line) == "c"
        if not line:
            continue
        yield (f'<text class="t s {kind(line)}" xml:space="preserve" x="{LEFT}" '
               f'y="{TOP + i * HEIGHT + 8}" style="animation-delay:{step * DELAY:.1f}s">'
               f"{html.escape(line, quote=False)}</text>")
    yield "</svg>"


print("\n".join(picture(list(lines_of(sys.stdin.read())))))
