/* SPDX-License-Identifier: MIT */
/* What ocaml-probes.h makes of a site on x86-64: an instruction whose first byte is the switch. */
#ifndef SITES_X86_64_H
#define SITES_X86_64_H

// clang-format off
/*
 * What a site calls. rbp comes first, as it moves no flag and makes the frame easy to unwind;
 * fxsave keeps the SSE and x87 registers.
 */
#define PROBE_WRAPPER(name)                                                                 \
    ".pushsection .rodata, \"a\", @progbits\n"                                              \
    "probe_name_" #name ":\n"                                                               \
    "\t.asciz \"" #name "\"\n"                                                              \
    ".popsection\n"                                                                         \
    ".pushsection .text, \"ax\", @progbits\n"                                               \
    "\t.hidden probe_hit\n"                                                                 \
    "\t.type probe_wrapper_" #name ", @function\n"                                          \
    "probe_wrapper_" #name ":\n"                                                            \
    "\t.cfi_startproc\n"                                                                    \
    "\tpushq %rbp\n"                                                                        \
    "\t.cfi_def_cfa_offset 16\n"                                                            \
    "\t.cfi_offset %rbp, -16\n"                                                             \
    "\tmovq %rsp, %rbp\n"                                                                   \
    "\t.cfi_def_cfa_register %rbp\n"                                                        \
    "\tpushfq\n"                                                                            \
    "\tpushq %rax\n"                                                                        \
    "\tpushq %rcx\n"                                                                        \
    "\tpushq %rdx\n"                                                                        \
    "\tpushq %rsi\n"                                                                        \
    "\tpushq %rdi\n"                                                                        \
    "\tpushq %r8\n"                                                                         \
    "\tpushq %r9\n"                                                                         \
    "\tpushq %r10\n"                                                                        \
    "\tpushq %r11\n"                                                                        \
    "\tsubq $512, %rsp\n"                                                                   \
    "\tandq $-16, %rsp\n"                                                                   \
    "\tfxsave (%rsp)\n"                                                                     \
    "\tcld\n"                                                                               \
    "\tleaq probe_name_" #name "(%rip), %rdi\n"                                             \
    "\tcall probe_hit\n"                                                                    \
    "\tfxrstor (%rsp)\n"                                                                    \
    "\tleaq -80(%rbp), %rsp\n"                                                              \
    "\tpopq %r11\n"                                                                         \
    "\tpopq %r10\n"                                                                         \
    "\tpopq %r9\n"                                                                          \
    "\tpopq %r8\n"                                                                          \
    "\tpopq %rdi\n"                                                                         \
    "\tpopq %rsi\n"                                                                         \
    "\tpopq %rdx\n"                                                                         \
    "\tpopq %rcx\n"                                                                         \
    "\tpopq %rax\n"                                                                         \
    "\tpopfq\n"                                                                             \
    "\tpopq %rbp\n"                                                                         \
    "\t.cfi_def_cfa %rsp, 8\n"                                                              \
    "\tret\n"                                                                               \
    "\t.cfi_endproc\n"                                                                      \
    "\t.size probe_wrapper_" #name ", . - probe_wrapper_" #name "\n"                        \
    ".popsection\n"

/* 990b + 6 is where the four bytes end: . + 4, as they are written. */
#define PROBE_SITE_AS(name, opcode, arguments, operands)                                    \
    __asm__ volatile("990:\n"                                                               \
                     "\tnop\n"                                                              \
                     "\t.byte " opcode "\n"                                                 \
                     "\t.4byte probe_wrapper_" #name " - . - 4\n"                           \
                     PROBE_NOTE("990b", name, arguments)                                    \
                     : : operands : "cc", "memory")

#define PROBE_BYTE_OFF OPCODE_TEXT(OPCODE_OFF)
#define PROBE_BYTE_ON  OPCODE_TEXT(OPCODE_ON)

/* A site that is off (cmp eax) or on (call) from the start; one with an argument. */
#define PROBE_SITE(name)            PROBE_SITE_AS(name, PROBE_BYTE_OFF, "", )
#define PROBE_SITE_ON(name)         PROBE_SITE_AS(name, PROBE_BYTE_ON, "", )
#define PROBE_SITE1(name, value)    PROBE_SITE_AS(name, PROBE_BYTE_OFF, "8@%0", "r"((long)(value)))

/* 1 while the probe is on. Volatile: others change the counter while the program runs. */
#define PROBE_ENABLED(name)                                                                 \
    __extension__({                                                                         \
        int on_;                                                                            \
        __asm__ volatile("cmpw $0, " PROBE_COUNTER(name) "(%%rip)"                          \
                         : "=@ccne"(on_) : : "memory");                                     \
        on_;                                                                                \
    })
// clang-format on

#endif
