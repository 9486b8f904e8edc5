/* SPDX-License-Identifier: MIT */
/*
 * All that depends on the processor: what a site looks like and how it is switched, breakpoints,
 * registers. There is one .c file for each processor.
 */
#ifndef ENGINE_ARCH_H
#define ENGINE_ARCH_H

#include "arch/place.h"
#include "probe-engine.h"

/* The bytes of a site that say what it is. */
enum { SITE_LENGTH = 6 };

/* Are sites switched by their opcode? If not, no site is ever written, and no other may be asked
 * for. */
extern const bool arch_patches_sites;

/* Where in a site the switch is: the only byte that is ever written. */
extern const uint8_t arch_switch_offset;

/* The values of the switch. */
extern const uint8_t arch_switch_on;
extern const uint8_t arch_switch_off;

/*
 * Is MEMORY a patched site whose bytes in the object's file are FILE? The switch may be on or off,
 * and the nop may hold another tracer's breakpoint.
 */
bool arch_is_site(const uint8_t memory[SITE_LENGTH], const uint8_t file[SITE_LENGTH]);

/* Could MEMORY be one? For when the file cannot be read any more. */
bool arch_looks_like_site(const uint8_t memory[SITE_LENGTH]);

/*
 * Do BYTES begin with an instruction that does nothing? Sites that are not patched do, so that a
 * tracer may put a breakpoint there.
 */
bool arch_is_nop(const uint8_t bytes[SITE_LENGTH]);

/* The state of the site in MEMORY. FILE is as above, or NULL if it cannot be read any more. */
enum probe_state arch_site_state(const uint8_t memory[SITE_LENGTH], const uint8_t *file);

/*
 * The same for COUNT sites at once, as a set: bit 1U << STATE for each state that one of them has.
 * PLACES says where they are; MEMORY begins with the first. FILE has the bytes of all of the
 * object's sites, or is NULL.
 */
unsigned int arch_site_states(const uint8_t *memory, const uint8_t (*file)[SITE_LENGTH],
                              const struct place *places, size_t count);

/* Is there a breakpoint, a tracer's or a debugger's, on the nop of the patched site in MEMORY? */
bool arch_has_breakpoint(const uint8_t memory[SITE_LENGTH]);

/*
 * How many bytes behind its address this site is watched, its bytes in the FILE being these: 0, or
 * where a uprobe costs the process less, as this kernel makes a call of it and not a trap.
 */
size_t arch_watch_offset(const uint8_t file[SITE_LENGTH]);

/*
 * Has a kernel tracer put a uprobe on this site? On its first instruction or, if that is a nop
 * followed by a five-byte nop (libbpf's usdt.h), on the second.
 */
bool arch_is_traced(const uint8_t memory[SITE_LENGTH], const uint8_t file[SITE_LENGTH]);

/* e_machine of this processor's objects, and of those of its 32-bit mode. */
extern const uint16_t arch_machine;
extern const uint16_t arch_machine_32;

/*
 * Has the kernel a uprobe here? MEMORY and FILE: the ARCH_TRAP bytes where a site is watched. (A
 * breakpoint of a debugger's is none, but where it looks the same the kernel takes it for one.)
 */
enum { ARCH_TRAP = 4 };
extern const uint8_t arch_trap_length; /* how many of these matter, and can be read */
bool arch_has_uprobe(const uint8_t memory[ARCH_TRAP], const uint8_t file[ARCH_TRAP]);

/* ---- for starting programs --------------------------------------------------------------- */

/*
 * A breakpoint: its bits in a word of code that begins with it, their mask, and how far behind it
 * a thread stops.
 */
extern const uint64_t arch_breakpoint;
extern const uint64_t arch_breakpoint_mask;
extern const uint8_t arch_breakpoint_passed;

/* The offset of the program counter in struct user_regs_struct. */
extern const size_t arch_counter_offset;

/* What glibc's loader calls libraries for this machine in its cache (_DL_CACHE_DEFAULT_ID). */
extern const uint32_t arch_library_kind;

/* The subfolders of glibc-hwcaps that this processor can use, best first; NULL-ended. */
const char *const *arch_hwcaps(void);

/* What glibc's loader puts in place of $PLATFORM. */
const char *arch_platform(void);

/* Code that ends the process with STATUS. */
enum { EXIT_WORDS = 2 };
void arch_exit_code(uint8_t status, uint64_t words[EXIT_WORDS]);

/* ---- for watching ------------------------------------------------------------------------ */

/* Code of a function that is one site and returns. */
enum { ARCH_PROBE_FUNCTION = 8 };
extern const uint8_t arch_probe_function[ARCH_PROBE_FUNCTION];

#endif
