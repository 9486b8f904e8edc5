# SPDX-License-Identifier: MIT
"""Plots of how cost grows, as SVG: one panel for each plot, both axes logarithmic."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 34, 48
COLUMNS = 2
COLOURS = ("#0b5cad", "#c2410c", "#15803d", "#7e22ce", "#525252", "#b45309")

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"
 height="{height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
"""


class Axis:
    """Values between LOW and HIGH, on a logarithmic scale from pixel START to END."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.start, self.end = start, end

    def place(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        return [10 ** power for power in range(self.low, self.high + 1)]


def count_label(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def time_label(microseconds):
    for unit, size in (("s", 1e6), ("ms", 1e3), ("us", 1)):
        if microseconds >= size:
            return f"{microseconds / size:g} {unit}"
    return f"{microseconds * 1000:g} ns"


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>\n'


def draw_grid(x_axis, y_axis):
    out = ""
    for tick in x_axis.ticks():
        x = x_axis.place(tick)
        out += f'<path d="M{x:.1f} {y_axis.start}V{y_axis.end}" stroke="#ddd"/>\n'
        out += text(x, y_axis.start + 16, count_label(tick))
    for tick in y_axis.ticks():
        y = y_axis.place(tick)
        out += f'<path d="M{x_axis.start} {y:.1f}H{x_axis.end}" stroke="#ddd"/>\n'
        out += text(x_axis.start - 6, y + 4, time_label(tick), "end")
    return out


def draw_line(points, x_axis, y_axis, colour):
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in sorted(points)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    out = f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
    for x, y in places:
        out += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>\n'
    return out


def draw_panel(title, x_label, lines):
    every = [point for points in lines.values() for point in points]
    x_axis = Axis([x for x, _ in every], LEFT, WIDTH - RIGHT)
    y_axis = Axis([y for _, y in every], HEIGHT - BOTTOM, TOP)
    out = text(WIDTH / 2, 18, title, more=' font-weight="bold"')
    out += draw_grid(x_axis, y_axis)
    out += text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label)
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        out += draw_line(points, x_axis, y_axis, colour)
        out += text(LEFT + 8, TOP + 14 + 15 * number, name, "start", f' fill="{colour}"')
    return out


def draw(plots):
    """An SVG of {TITLE: (x label, {LINE: [(x, microseconds)]})}."""
    rows = (len(plots) + COLUMNS - 1) // COLUMNS
    out = HEAD.format(width=COLUMNS * WIDTH, height=rows * HEIGHT)
    for number, (title, (x_label, lines)) in enumerate(plots.items()):
        x, y = number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT
        out += f'<g transform="translate({x} {y})">\n{draw_panel(title, x_label, lines)}</g>\n'
    return out + "</svg>\n"
