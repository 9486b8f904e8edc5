/* SPDX-License-Identifier: MIT */
/*
 * What a site looks like on this machine, and what else is the machine's own. Another architecture
 * is another arch-*.c; all else speaks of switches only.
 */
#ifndef ENGINE_ARCH_H
#define ENGINE_ARCH_H

#include "probe-engine.h"

enum { SITE_LENGTH = 6 }; /* nop, opcode, four bytes that never change */

/* Where in a site's bytes the switch is: the one byte that is ever written. */
extern const uint8_t arch_switch_offset;

/* The switch's value for on and for off. */
extern const uint8_t arch_switch_on;
extern const uint8_t arch_switch_off;

/*
 * Are MEMORY's bytes those of a probe's site, which has FILE's bytes in the object? The switch may
 * stand either way, and the nop may hold another tracer's breakpoint.
 */
bool arch_is_site(const uint8_t memory[SITE_LENGTH], const uint8_t file[SITE_LENGTH]);

/* Do they have the form of a site? For where the object's file cannot be read any more. */
bool arch_looks_like_site(const uint8_t memory[SITE_LENGTH]);

/*
 * Are these the bytes of a place that is marked, and not switched by its opcode? It holds an
 * instruction that does nothing, so that a tracer may put a breakpoint there.
 */
bool arch_is_nop(const uint8_t bytes[SITE_LENGTH]);

/* What MEMORY's bytes of a site show; FILE as above, or NULL where that cannot be read any more. */
enum probe_state arch_site_state(const uint8_t memory[SITE_LENGTH], const uint8_t *file);

/*
 * Has a kernel tracer put a uprobe on this site? On its first instruction or, if that is a nop
 * followed by a five-byte nop (libbpf's usdt.h), on the second.
 */
bool arch_is_traced(const uint8_t memory[SITE_LENGTH], const uint8_t file[SITE_LENGTH]);

/* The processor's number in the header of an object (e_machine), and that of its 32-bit programs.
 */
extern const uint16_t arch_machine;
extern const uint16_t arch_machine_32;

/* ---- for programs that are started ------------------------------------------------------ */

/* A breakpoint: these bits of a word that begins where it is, and how far behind it one stops. */
extern const uint64_t arch_breakpoint;
extern const uint64_t arch_breakpoint_mask;
extern const uint8_t arch_breakpoint_passed;

/* Where the address of the next instruction is, in struct user_regs_struct. */
extern const size_t arch_counter_offset;

/* Code that ends the process with STATUS. */
enum { EXIT_WORDS = 2 };
void arch_exit_code(uint8_t status, uint64_t words[EXIT_WORDS]);

#endif
