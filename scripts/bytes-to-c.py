#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bytes-to-c.py FILE NAME: prints a C array NAME with the bytes of FILE."""
import sys

with open(sys.argv[1], "rb") as file:
    content = file.read()
print(f"static const unsigned char {sys.argv[2]}[] __attribute__((aligned(8))) = {{")
for at in range(0, len(content), 16):
    print("    " + " ".join(f"0x{byte:02x}," for byte in content[at:at + 16]))
print("};")
