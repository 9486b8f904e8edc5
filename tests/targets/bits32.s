# SPDX-License-Identifier: MIT
# A program of 32 bits, which says no more than a line, and waits: as --32, ld -m elf_i386.
.globl _start
_start:
    mov $4, %eax            # write(1, text, length)
    mov $1, %ebx
    mov $text, %ecx
    mov $length, %edx
    int $0x80
wait:
    mov $29, %eax           # pause()
    int $0x80
    jmp wait
.data
text: .ascii "ready\n"
.set length, . - text
