/* SPDX-License-Identifier: MIT */
/* One note of .note.stapsdt: bytes in, fields out. */
#ifndef ENGINE_NOTE_H
#define ENGINE_NOTE_H

#include <stddef.h>
#include <stdint.h>

#define NOTE_OWNER "stapsdt"
#define NOTE_TYPE  3

/* Addresses are link-time addresses as the note gives them; strings point into the note. */
struct note {
    uint64_t site;
    uint64_t base; /* compared with the address of .stapsdt.base */
    uint64_t semaphore;
    const char *provider;
    const char *name;
    const char *arguments;
};

/*
 * Parses the descriptor of one note, BYTES of LENGTH. Returns 0, or -EINVAL where it is too short
 * or a string in it has no end.
 * Format: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation
 */
int note_parse(const void *bytes, size_t length, struct note *note);

/*
 * Moves both addresses by the distance between BASE_ADDRESS (where .stapsdt.base is; 0: there is
 * none) and the note's base, as prelink leaves them behind; only where both bases are not 0.
 * A semaphore of 0 says that there is none, and a site of 0 likewise: neither is moved.
 */
void note_shift(struct note *note, uint64_t base_address);

#endif
