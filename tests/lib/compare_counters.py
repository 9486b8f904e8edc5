# SPDX-License-Identifier: MIT
"""compare_counters.py WRITTEN MEMORY: has each probe the counter that was written, and no other one?"""
import re, sys
def unescape(text):
    return re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), text.encode())
memory = {}
for line in open(sys.argv[2]):
    provider, name, _, count, *_ = line.split(" ")
    memory[unescape(provider).hex(), unescape(name).hex()] = int(count)
for line in open(sys.argv[1]):
    provider, name, count = line.split()
    provider = provider.replace("\\040", " ").encode().hex()
    if memory.pop((provider, name)) != int(count):
        sys.exit(f"wrong counter of {bytes.fromhex(name)!r}")
print(len(memory), "others")
if any(memory.values()):
    sys.exit("a probe was switched that was not named")
