# SPDX-License-Identifier: MIT
"""open_many.py DIRECTORY SERVER: opens 10,000 files, and asks what the server has for them."""
import os, resource, sys
directory, server = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (11000, 11000))
def resident():
    with open(f"/proc/{server}/status") as status:
        return next(int(l.split()[1]) for l in status if l.startswith("VmRSS")) // 1024
def descriptors():
    return len(os.listdir(f"/proc/{server}/fd"))
before = descriptors(), resident()
names = ["enabled", "semaphore", "sites", "hold"]
fds = [os.open(f"{directory}/gc_start/{names[i % 4]}", os.O_RDONLY) for i in range(10000)]
for fd in fds[::97]:
    assert os.pread(fd, 100, 0)
during = descriptors(), resident()
for fd in fds:
    os.close(fd)
after = descriptors(), resident()
print(before, during, after)
assert during[0] <= before[0] + 50 and after[0] <= before[0] + 50
# A handle is some hundred bytes, and what was read from it; a sanitizer's red zones are more.
assert during[1] <= before[1] + 160
