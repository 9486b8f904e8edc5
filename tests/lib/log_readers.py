# SPDX-License-Identifier: MIT
"""log_readers.py ERROR_LOG ENABLED: reads while lines come, and counts reads of less than whole lines."""
import os, sys, threading

log = os.open(sys.argv[1], os.O_RDONLY)
wrong = []


def fail(count):
    for _ in range(count):
        try:
            with open(sys.argv[2], "w", buffering=1) as file:
                file.write("x" * 1000)
        except OSError:
            pass


def read(offset):
    for _ in range(400):
        text = os.pread(log, 1 << 17, offset)
        if text and not text.endswith(b".\n"):
            wrong.append(text)


fail(64)
readers = [threading.Thread(target=read, args=[each % 2]) for each in range(8)]
for reader in readers:
    reader.start()
fail(20)
for reader in readers:
    reader.join()
print(len(wrong))
