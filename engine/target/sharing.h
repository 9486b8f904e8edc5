/* SPDX-License-Identifier: MIT */
/* Counters that several probes share: finds the probes that have one of some counters. */
#ifndef ENGINE_SHARING_H
#define ENGINE_SHARING_H

#include "target/target.h"

/* Sorts runtime addresses of counters, as the functions below expect them. */
void sharing_sort(uint64_t *addresses, size_t count);
bool sharing_has(const uint64_t *addresses, size_t count, uint64_t address);

/*
 * Puts into SHARERS, which has room for all, the indices of TARGET's probes that have one of the
 * COUNT counters at ADDRESSES; skips probes whose item in SKIP is not 0 (NULL: skips none). Returns
 * how many.
 */
size_t sharing_find(const struct probe_target *target, const uint64_t *addresses, size_t count,
                    const uint32_t *skip, size_t *sharers);

#endif
