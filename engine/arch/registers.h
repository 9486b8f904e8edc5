/* SPDX-License-Identifier: MIT */
/*
 * The registers that a probe's arguments may name, as slots: what a recipe holds instead of a name.
 * Read by the BPF program, too, which is compiled for no processor, and so is told which is meant.
 */
#ifndef ENGINE_REGISTERS_H
#define ENGINE_REGISTERS_H

/* ARCH_REGISTERS: X(slot, where the kernel's struct pt_regs has it, in words) */
#if defined(__aarch64__) || defined(PROBED_aarch64)

#define ARCH_REGISTERS(X)                                                                          \
    X(0, 0)                                                                                        \
    X(1, 1)                                                                                        \
    X(2, 2)                                                                                        \
    X(3, 3)                                                                                        \
    X(4, 4)                                                                                        \
    X(5, 5)                                                                                        \
    X(6, 6)                                                                                        \
    X(7, 7)                                                                                        \
    X(8, 8)                                                                                        \
    X(9, 9)                                                                                        \
    X(10, 10)                                                                                      \
    X(11, 11)                                                                                      \
    X(12, 12)                                                                                      \
    X(13, 13)                                                                                      \
    X(14, 14)                                                                                      \
    X(15, 15)                                                                                      \
    X(16, 16)                                                                                      \
    X(17, 17)                                                                                      \
    X(18, 18)                                                                                      \
    X(19, 19)                                                                                      \
    X(20, 20)                                                                                      \
    X(21, 21)                                                                                      \
    X(22, 22)                                                                                      \
    X(23, 23)                                                                                      \
    X(24, 24)                                                                                      \
    X(25, 25)                                                                                      \
    X(26, 26)                                                                                      \
    X(27, 27)                                                                                      \
    X(28, 28)                                                                                      \
    X(29, 29)                                                                                      \
    X(30, 30)                                                                                      \
    X(31, 31) /* sp */                                                                             \
    X(32, 32) /* pc: the address of the site */

enum {
    ARCH_SLOT_SITE = 32,  /* the address of the site itself */
    ARCH_SLOT_NONE = 33,  /* reads as 0 */
    ARCH_SLOT_COUNT = 34, /* of both */
};

#elif defined(__x86_64__) || defined(PROBED_x86_64)

#define ARCH_REGISTERS(X)                                                                          \
    X(0, 10)  /* rax */                                                                            \
    X(1, 12)  /* rdx */                                                                            \
    X(2, 11)  /* rcx */                                                                            \
    X(3, 5)   /* rbx */                                                                            \
    X(4, 13)  /* rsi */                                                                            \
    X(5, 14)  /* rdi */                                                                            \
    X(6, 4)   /* rbp */                                                                            \
    X(7, 19)  /* rsp */                                                                            \
    X(8, 9)   /* r8 */                                                                             \
    X(9, 8)   /* r9 */                                                                             \
    X(10, 7)  /* r10 */                                                                            \
    X(11, 6)  /* r11 */                                                                            \
    X(12, 3)  /* r12 */                                                                            \
    X(13, 2)  /* r13 */                                                                            \
    X(14, 1)  /* r14 */                                                                            \
    X(15, 0)  /* r15 */                                                                            \
    X(16, 16) /* rip: the address of the site */

enum {
    ARCH_SLOT_SITE = 16,  /* the address of the site itself */
    ARCH_SLOT_NONE = 17,  /* reads as 0 */
    ARCH_SLOT_COUNT = 18, /* of both */
};

#endif

/* What may be the address of something that a process has in memory. */
#define ARCH_POINTER_LEAST 0x10000ULL
#define ARCH_POINTER_MOST  0x00fffffffffff000ULL

#endif
