#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a program as a process of a given pid, and waits for it (needs root).

    run_with_pid.py PID PROGRAM [ARGUMENT]...
"""
import ctypes
import os
import signal
import struct
import sys

SYS_CLONE3 = 435


def clone_with_pid(pid):
    tids = (ctypes.c_int32 * 1)(pid)
    # flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, its size
    words = struct.pack("<10Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(tids), 1)
    arguments = ctypes.create_string_buffer(words, len(words))
    libc = ctypes.CDLL(None, use_errno=True)
    child = libc.syscall(SYS_CLONE3, arguments, len(words))
    if child < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return child


def main():
    program = sys.argv[2:]
    child = clone_with_pid(int(sys.argv[1]))
    if child == 0:
        os.execv(program[0], program)
    os.waitpid(child, 0)


main()
