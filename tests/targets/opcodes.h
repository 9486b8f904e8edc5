/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a probe's site, for all of the tests: they speak of on and off, and who
 * has to know a byte has it from here. Shares nothing with the engine, which is what is tested.
 */
#ifndef OPCODES_H
#define OPCODES_H

/* The switch byte: call rel32 and cmp eax, imm32. */
#define OPCODE_ON  0xe8
#define OPCODE_OFF 0x3d
/*
 * The byte before it, and the first of a site that is not patched; that of a tracer's breakpoint.
 * (On AArch64 no site is patched, and an instruction has four bytes.)
 */
#ifdef __aarch64__
#define OPCODE_NOP  0x1f
#define OPCODE_TRAP 0xa0
#else
#define OPCODE_NOP  0x90
#define OPCODE_TRAP 0xcc
#endif

/* One of them in the text of an assembler. */
#define OPCODE_TEXT(opcode)   OPCODE_QUOTED(opcode)
#define OPCODE_QUOTED(number) #number

#endif
