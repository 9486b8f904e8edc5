# SPDX-License-Identifier: MIT
"""hoard_files.py FILE: opens it until that fails, and again after one was closed; says how many."""
import errno, os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
held = []
try:
    while len(held) < 17000:
        held.append(os.open(sys.argv[1], os.O_RDONLY))
    print(len(held), "OK")
except OSError as error:
    print(len(held), errno.errorcode[error.errno])
for each in held[:1]:
    os.close(each)
held[0] = os.open(sys.argv[1], os.O_RDONLY)
