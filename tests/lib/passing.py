#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Passes open files to another user, over a socket.

    passing.py send SOCKET FILE...       opens the files (directories for reading, else both ways),
                                         and sends them to whoever connects first
    passing.py receive SOCKET ACTION...  does one thing after the other with what it gets

    read:N write:N:TEXT list:N           with the file N itself
    has:N:NAME                           reads the directory N: ENOENT, unless NAME is there
    gone:N                               waits until the sender has ended
    open-read:N open-write:N reopen:N    opens it again, by /proc/self/fd/N (reopen: both ways)
    open-in:N:NAME                       opens NAME in the directory N

Prints the outcomes on one line: `OK`, or the name of an errno.
"""
import errno
import os
import socket
import struct
import sys
import time


def send(path, files):
    fds = [os.open(file, os.O_RDONLY if os.path.isdir(file) else os.O_RDWR) for file in files]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        os.chmod(path, 0o666)
        server.listen()
        print("ready", flush=True)
        connection, _ = server.accept()
        socket.send_fds(connection, [b"x"], fds)
        connection.close()


def has(fd, name):
    if name not in os.listdir(fd):
        raise OSError(errno.ENOENT, name)


ACTIONS = {
    "has": has,
    "read": lambda fd: os.pread(fd, 4096, 0),
    "write": lambda fd, text: os.write(fd, text.encode()),
    "list": os.listdir,
    "open-read": lambda fd: os.open(f"/proc/self/fd/{fd}", os.O_RDONLY),
    "open-write": lambda fd: os.open(f"/proc/self/fd/{fd}", os.O_WRONLY),
    "reopen": lambda fd: os.open(f"/proc/self/fd/{fd}", os.O_RDWR),
    "open-in": lambda fd, name: os.open(name, os.O_RDONLY, dir_fd=fd),
}


def receive(path, actions):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        _, fds, _, _ = socket.recv_fds(connection, 1, 16)
        sender, _, _ = struct.unpack("iII", connection.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII")))

    def gone(_):
        while os.path.exists(f"/proc/{sender}"):
            time.sleep(0.01)

    ACTIONS["gone"] = gone
    outcomes = []
    for action in actions:
        name, index, *words = action.split(":")
        try:
            ACTIONS[name](fds[int(index)], *words)
            outcomes.append("OK")
        except OSError as error:
            outcomes.append(errno.errorcode[error.errno])
    print(*outcomes)


{"send": lambda path, *files: send(path, files),
 "receive": lambda path, *actions: receive(path, actions)}[sys.argv[1]](*sys.argv[2:])
