# SPDX-License-Identifier: MIT
"""hold_until_refused.py PROBE: holds it 55 times; those that are refused count nothing."""
import errno, os, sys
held, refused = [], set()
for _ in range(55):
    try:
        held.append(os.open(sys.argv[1] + "/hold", os.O_WRONLY))
    except OSError as error:
        refused.add(errno.errorcode[error.errno])
os.close(held.pop())
with open(sys.argv[1] + "/semaphore") as file:
    assert file.read() == f"{len(held)}\n", len(held)
assert len(held) >= 5 and refused <= {"EMFILE", "ENFILE", "EIO", "EAGAIN"}, (len(held), refused)
assert refused, len(held)
