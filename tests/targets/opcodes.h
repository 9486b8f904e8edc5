/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a probe's site on x86-64, for all of the tests: they speak of on and off, and who
 * has to know a byte has it from here. Shares nothing with the engine, which is what is tested.
 */
#ifndef OPCODES_H
#define OPCODES_H

/* The switch byte: call rel32 and cmp eax, imm32. */
#define OPCODE_ON  0xe8
#define OPCODE_OFF 0x3d
/* The byte before it, and the only one of a site that is not patched; a tracer's breakpoint. */
#define OPCODE_NOP  0x90
#define OPCODE_TRAP 0xcc

/* One of them in the text of an assembler. */
#define OPCODE_TEXT(opcode)   OPCODE_QUOTED(opcode)
#define OPCODE_QUOTED(number) #number

#endif
