# SPDX-License-Identifier: MIT
"""Loads a library; at SIGUSR1 closes it, and puts memory with the same bytes in its place."""
import _ctypes, ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long]
plug = ctypes.CDLL(sys.argv[1])
ranges = []
for line in open("/proc/self/maps"):
    if line.rstrip().endswith("libplug.so"):
        ranges.append([int(text, 16) for text in line.split()[0].split("-")])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("pid", os.getpid(), flush=True)
signal.sigwait([signal.SIGUSR1])
start, end = ranges[0][0], ranges[-1][1]
copy = b"".join(ctypes.string_at(a, b - a) for a, b in ranges)
_ctypes.dlclose(plug._handle)
assert not any(line.rstrip().endswith("libplug.so") for line in open("/proc/self/maps"))
assert libc.mmap(start, end - start, 7, 0x32, -1, 0) == start
ctypes.memmove(start, copy, len(copy))
print("reused", flush=True)
signal.sigwait([signal.SIGUSR1])
