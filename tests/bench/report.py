#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes tables and plots of the results that benchmarks left (see bench.py).

    report.py                    what was measured, as tables in Markdown
    report.py --document DIR     the same into DIR/BENCHMARKS.md, and plots into DIR/benchmarks.svg
"""
import argparse
import contextlib
import glob
import io
import json
import os
import statistics

import bench
import plot

BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def load(folder):
    """Of each benchmark the result, or that of its last run with what its runs had in common."""
    runs = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(path, encoding="ascii") as file:
            result = json.load(file)
        runs.setdefault(result["benchmark"], []).append(result)
    return [merge(each) for each in runs.values()]


def merge(runs):
    """Each ratio becomes the median of that of all RUNS, and gets a range."""
    last = runs[-1]
    for each in last["comparisons"]:
        ratios = [other["ratio"] for run in runs for other in run["comparisons"]
                  if (other["what"], other["peer"]) == (each["what"], each["peer"])]
        each["ratio"] = statistics.median(ratios)
        if len(runs) > 1:
            each["range"] = (min(ratios), max(ratios))
            each["reached"] = bench.is_reached(each["ratio"], each["goal"])
    last["runs"] = len(runs)
    return last


def show_ratio(comparison):
    ratio = f"{comparison['ratio']:.2f}"
    if "range" in comparison:
        ratio += " ({:.2f} to {:.2f})".format(*comparison["range"])
    return ratio


def show_goal(comparison):
    if comparison["reached"] is None:
        return comparison["goal"]
    return f"{comparison['goal']}: {'reached' if comparison['reached'] else '**missed**'}"


def show_time(microseconds):
    if microseconds < 1000:
        return f"{microseconds:.1f} us"
    return f"{microseconds / 1000:.1f} ms" if microseconds < 1e6 else f"{microseconds / 1e6:.2f} s"


def show_comparisons(result):
    print("| what | probefs | peer | peer's | ratio | goal |")
    print("| --- | --- | --- | --- | --- | --- |")
    for each in result["comparisons"]:
        print(f"| {each['what']} | {show_time(each['ours']['median'])} | {each['peer']} | "
              f"{show_time(each['theirs']['median'])} | {show_ratio(each)} | {show_goal(each)} |")
    print()


def show_counts(result):
    for each in result["counts"]:
        counts = ", ".join(f"{name} {number}" for name, number in each["counts"].items())
        print(f"- {each['what']}: {counts}")
    print()


def show(results):
    for result in results:
        machine = result["machine"]
        print(f"### {result['benchmark']}\n\n{result['date']}, {machine['cpus']} CPUs "
              f"({machine['model']}), Linux {machine['kernel']}"
              f"{', with tiny counts' if result['tiny'] else ''}"
              f"{', ' + str(result['runs']) + ' runs' if result['runs'] > 1 else ''}\n")
        if result["comparisons"]:
            show_comparisons(result)
        if result["counts"]:
            show_counts(result)


def plots_of(results):
    """{TITLE: (x label, {LINE: [(x, microseconds)]})}"""
    plots = {}
    for result in results:
        for point in result["series"]:
            _, lines = plots.setdefault(point["plot"], (point["x_label"], {}))
            lines.setdefault(point["line"], []).append((point["x"], point["median"]))
    return plots


def document(results, folder):
    """Puts the tables between the marks that the page has for them."""
    path = os.path.join(folder, "BENCHMARKS.md")
    tables = io.StringIO()
    with contextlib.redirect_stdout(tables):
        show(results)
    with open(path, encoding="utf-8") as file:
        head, rest = file.read().split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}{BEGIN}\n\n{tables.getvalue()}{END}{tail}")
    with open(os.path.join(folder, "benchmarks.svg"), "w", encoding="utf-8") as file:
        file.write(plot.draw(plots_of(results)))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", metavar="DIR")
    options = parser.parse_args()
    results = load(bench.RESULTS)
    if options.document:
        document(results, options.document)
    else:
        show(results)


main()
