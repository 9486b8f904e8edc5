# SPDX-License-Identifier: MIT
"""A server in which allocations fail on demand, and what is asked of it. See memory.py."""
import contextlib
import ctypes
import errno
import mmap
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "storm"))

import watch  # noqa: E402

MANY = (1 << 63) - 1


class Struct(ctypes.Structure):
    """struct faults of faults.h"""
    _fields_ = [(name, ctypes.c_int64) for name in ("first", "count", "hits", "seen", "live")]


class Faults:
    """What is shared with the server, and with its workers, which are given its environment."""

    def __init__(self, path, library):
        self.environment = {"FAULTS": path, "LD_PRELOAD": library}
        with open(path, "wb") as file:
            file.write(bytes(Struct(first=-1)))
        with open(path, "r+b") as file:
            self.now = Struct.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(Struct)))

    @contextlib.contextmanager
    def preloaded(self):
        os.environ.update(self.environment)
        yield
        for name in self.environment:
            del os.environ[name]

    @contextlib.contextmanager
    def armed(self, first, count):
        """The next allocations fail: those from FIRST on, COUNT of them."""
        self.now.hits, self.now.count = 0, count
        self.now.first = first
        try:
            yield
        finally:
            self.now.count = 0
            self.now.first = -1


# ---- system calls that are never answered by the kernel alone ------------------------------------

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS = -100, 0x100, 0x2000, 0x7ff


def getattr_of(path):
    """Asks the server for attributes, whatever the kernel still knows of them."""
    result = ctypes.create_string_buffer(256)
    if libc.statx(AT_FDCWD, os.fsencode(path), AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC,
                  STATX_BASIC_STATS, result) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return "OK"


@contextlib.contextmanager
def opened(path, flags):
    """Errors of close() are those of the flush."""
    fd = os.open(path, flags)
    try:
        yield fd
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(fd)
        raise
    os.close(fd)


def read(path):
    with opened(path, os.O_RDONLY) as fd:
        text, piece = b"", None
        while piece != b"":
            piece = os.pread(fd, 65536, len(text))
            text += piece
    return text.decode()


def write(path, text):
    with opened(path, os.O_WRONLY) as fd:
        os.write(fd, text.encode())
    return "OK"


def list_long(path):
    """As `ls -l`."""
    names = sorted(os.listdir(path))
    for name in names:
        getattr_of(f"{path}/{name}")
    return names


def is_missing(path):
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    return False


def refused(act, *arguments):
    """What is never allowed: EPERM is how it succeeds, EACCES where the kernel sees to it."""
    try:
        act(*arguments)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            return errno_name(error)
        raise
    raise watch.Failure(f"{act.__name__} {arguments} is allowed")


def errno_name(error):
    return errno.errorcode.get(error.errno, str(error.errno))
