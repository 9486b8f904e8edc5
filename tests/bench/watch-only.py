#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Probes without a semaphore, which -o all shows: what they add to listings and to memory.

Every C++ program has three, and a Java virtual machine hundreds. The peer is a server without the
option, to which the same processes have no probes. As in listing.py, no other processes are seen.
"""
import os
import shutil
import subprocess
import sys

import bench

PROGRAM = """
#include <cstdio>
#include <unistd.h>
int main()
{
    printf("pid %d\\n", (int)getpid());
    fflush(stdout);
    for (;; sleep(1))
        try { throw 1; } catch (int) { }
}
"""


def build(session):
    path = f"{session.work}/thrower"
    subprocess.run([os.environ.get("CXX", "c++"), "-x", "c++", "-", "-o", path], check=True,
                   input=PROGRAM, text=True)
    return path


def start_java(session):
    """A virtual machine that waits for input."""
    path = f"{session.work}/Wait.java"
    with open(path, "w", encoding="ascii") as source:
        source.write('class Wait { public static void main(String[] a) throws Exception {'
                     ' System.out.println("pid"); System.in.read(); } }')
    child = subprocess.Popen(["java", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             start_new_session=True)
    session.children.append(child)
    if not child.stdout.readline().startswith(b"pid"):
        raise RuntimeError("java did not start")
    return child.pid


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def memory(server):
    """KiB of a server and its workers."""
    total = 0
    for pid in (server, *bench.children_of(server)):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return total


def first_listing(session, options):
    mount = session.probefs(*options)
    spent = bench.timed(lambda: run("ls", mount))
    session.stop(mount)
    return spent


def compare_listings(session, program, count):
    """Of COUNT processes that run PROGRAM; returns the mount that shows them."""
    programs = {str(session.target(program)) for _ in range(count)}
    options = {"-o all": ("-o", "all"), "without": ()}
    first = bench.take_turns(bench.rounds(5), {
        label: lambda option=option: first_listing(session, option)
        for label, option in options.items()})
    session.compare(f"first ls, {count} C++ processes", first["-o all"], "without -o all",
                    first["without"])
    plain = session.probefs()
    plain_server = session.servers[-1].pid
    mount = session.probefs("-o", "all")
    server = session.servers[-1].pid
    for each in (plain, mount):
        run("ls", each)
    missing = programs.difference(os.listdir(mount))
    if missing:
        raise RuntimeError(f"{len(missing)} of {count} processes are not listed")
    again = bench.take_turns(bench.rounds(15), {
        "-o all": lambda: run("ls", mount), "without": lambda: run("ls", plain),
        "ps": lambda: run("ps", "-e")})
    session.compare(f"next ls, {count} C++ processes", again["-o all"], "without -o all",
                    again["without"])
    session.compare(f"next ls, {count} C++ processes", again["-o all"], "ps -e", again["ps"])
    session.count(f"KiB of memory with {count} C++ processes", {
        "-o all": memory(server), "without": memory(plain_server)})
    return mount


def compare_java(session, mount):
    pid = start_java(session)
    probes = len(os.listdir(f"{mount}/{pid}"))
    samples = bench.take_turns(bench.rounds(15), {
        "ls": lambda: run("ls", f"{mount}/{pid}"), "info": lambda: run("cat", f"{mount}/{pid}/info"),
        "readelf": lambda: run("sh", "-c", f"readelf -n $(awk '/libjvm/ {{ print $6; exit }}' "
                                           f"/proc/{pid}/maps)")})
    for what in ("ls", "info"):
        session.compare(f"{what} of a Java process, {probes} entries", samples[what],
                        "readelf -n libjvm.so", samples["readelf"])


def main():
    if "--alone" not in sys.argv:
        os.execvp("unshare", ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                              sys.executable, "-B", __file__, "--alone"])
    with bench.Session("watch-only") as session:
        mount = compare_listings(session, build(session), 20 if bench.TINY else 500)
        if shutil.which("javac"):  # it runs sources
            compare_java(session, mount)
        else:
            print("there is no JDK: a Java virtual machine is not measured")


main()
