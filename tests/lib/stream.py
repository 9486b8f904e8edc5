#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads a stream in ways that a shell does not.

    stream.py ACTION [NUMBER] FILE...

    nonblock  without waiting: prints the errno's name, then waits, and prints the first line
    poll      with select, poll and epoll in turn: each must wait until there is a line
    edge      by epoll's edges: prints the first line behind each of three, all read until EAGAIN,
              and then "unread" and "again" for two of which nothing is read
    idle      without waiting, once, and then does nothing until its standard input ends
    many      opens FILE NUMBER times, prints "open", and then the number of those with a line
    each      opens the FILEs, of one probe each, which must be off; prints "open" when all are
              watched, and of each how many lines came first, and the probe's name in them; closes
              them when a line comes on the standard input
    threads   NUMBER threads read the same open file: prints each line that one of them got
"""
import errno
import os
import select
import sys
import threading
import time


def read_line(fd):
    return os.read(fd, 65536).split(b"\n")[0].decode()


def nonblock(file):
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.read(fd, 65536)
        print("OK", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
    select.select([fd], [], [])
    print(read_line(fd), flush=True)


def poll_waits(fd, name, wait):
    """WAIT takes seconds, and says whether there is something."""
    assert not wait(0), name + " found a line before there was one"
    print("waiting", name, flush=True)
    assert wait(20), name + " found none"
    print(name, read_line(fd), flush=True)
    while wait(0):
        os.read(fd, 65536)


def poll(file):
    fd = os.open(file, os.O_RDONLY)
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    epoll = select.epoll()
    epoll.register(fd, select.EPOLLIN)
    poll_waits(fd, "select", lambda time: select.select([fd], [], [], time)[0])
    poll_waits(fd, "poll", lambda time: poller.poll(time * 1000))
    poll_waits(fd, "epoll", epoll.poll)


def drain(fd):
    """All that there is."""
    text = b""
    while True:
        try:
            text += os.read(fd, 65536)
        except BlockingIOError:
            return text.decode()


def edge(file):
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    epoll = select.epoll()
    epoll.register(fd, select.EPOLLIN | select.EPOLLET)
    for _ in range(3):
        assert epoll.poll(20), "nothing was told of"
        print(drain(fd).split("\n")[0], flush=True)
    for word in "unread", "again":
        assert epoll.poll(20), "nothing was told of while there was something to read"
        print(word, flush=True)


def idle(file):
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    assert drain(fd) == ""
    sys.stdin.read()


def many(number, file):
    poller = select.poll()
    fds = [os.open(file, os.O_RDONLY | os.O_NONBLOCK) for _ in range(int(number))]
    for fd in fds:
        poller.register(fd, select.POLLIN)
        try:
            os.read(fd, 65536)
        except BlockingIOError:
            pass
    print("open", flush=True)
    got = set()
    while len(got) < len(fds):
        for fd, _ in poller.poll():
            if os.read(fd, 65536):
                got.add(fd)
            poller.unregister(fd)
    print(len(got), flush=True)


def wait_until_watched(file):
    """The kernel has a reference in the semaphore then."""
    while True:
        with open(os.path.join(os.path.dirname(file), "semaphore"), "rb") as semaphore:
            if semaphore.read() != b"0\n":
                return
        time.sleep(0.001)


def each(*files):
    poller = select.poll()
    fds = []
    for file in files:
        fds.append(os.open(file, os.O_RDONLY | os.O_NONBLOCK))
        try:
            os.read(fds[-1], 65536)
        except BlockingIOError:
            poller.register(fds[-1], select.POLLIN)
        wait_until_watched(file)
    print("open", flush=True)
    lines = {}
    while len(lines) < len(fds):
        for fd, _ in poller.poll():
            lines[fd] = os.read(fd, 65536).decode()
            poller.unregister(fd)
    for fd in fds:
        print("got", lines[fd].count("\n"), lines[fd].split()[2], flush=True)
    print("done", flush=True)
    sys.stdin.readline()


def threads(number, file):
    fd = os.open(file, os.O_RDONLY)
    lock = threading.Lock()

    def read():
        while True:
            text = os.read(fd, 65536).decode()
            if not text:
                return
            with lock:
                print(text, end="", flush=True)

    all_threads = [threading.Thread(target=read) for _ in range(int(number))]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()


def main():
    action, *words = sys.argv[1:]
    {"nonblock": nonblock, "poll": poll, "edge": edge, "idle": idle, "many": many, "each": each,
     "threads": threads}[action](*words)


main()
