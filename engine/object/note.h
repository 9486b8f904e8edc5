/* SPDX-License-Identifier: MIT */
/*
 * A note is what the compiler leaves in an object for each place that a probe stands at: an entry
 * of the section .note.stapsdt, which no program loads. `readelf -n` shows it:
 *
 *     Owner                Data size        Description
 *     stapsdt              0x00000036       NT_STAPSDT (SystemTap probe descriptors)
 *       Provider: python
 *       Name: gc__start
 *       Location: 0x00000000004287f3, Base: 0x00000000008cc5a0, Semaphore: 0x0000000000a8426e
 *       Arguments: -4@112(%rsp)
 *
 * The description ("desc") behind the note's header is three words of 8 bytes and three strings:
 *
 *     site  base  semaphore  provider \0 name \0 arguments \0
 *
 * Addresses are link-time addresses. What they mean depends on the provider: see format.h. Here are
 * bytes in, fields out. Description of the format:
 * https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation
 */
#ifndef ENGINE_NOTE_H
#define ENGINE_NOTE_H

#include <stddef.h>
#include <stdint.h>

#define NOTE_OWNER "stapsdt"
#define NOTE_TYPE  3

/* One note; the strings point into its bytes. */
struct note {
    uint64_t site;      /* of the instruction that marks the place; 0 for none */
    uint64_t base;      /* where the linker put .stapsdt.base */
    uint64_t semaphore; /* of the 16-bit counter that switches the probe; 0 for none */
    const char *provider;
    const char *name;
    const char *arguments; /* where they are at the site, as "-4@%ebx 8@%rax" */
};

/*
 * Parses the description of one note, BYTES of LENGTH. Errors: EINVAL it is too short, or one of
 * its strings has no end.
 */
int note_parse(const void *bytes, size_t length, struct note *note);

/*
 * Moves both addresses by the distance from the note's base to BASE_ADDRESS, where .stapsdt.base is
 * now (0: it is gone). prelink moves an object's code, but does not know of its notes. No effect
 * unless both bases are known, and none on an address of 0, which says that there is no site or no
 * semaphore.
 */
void note_shift(struct note *note, uint64_t base_address);

#endif
