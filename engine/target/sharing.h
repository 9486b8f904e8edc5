/* SPDX-License-Identifier: MIT */
/* Counters that several probes share: which probes have one of some counters? */
#ifndef ENGINE_SHARING_H
#define ENGINE_SHARING_H

#include "target/target.h"

/* Sorts runtime addresses of counters, as the functions below want them. */
void sharing_sort(uint64_t *addresses, size_t count);
bool sharing_has(const uint64_t *addresses, size_t count, uint64_t address);

/*
 * The probes of TARGET that have one of COUNT counters at ADDRESSES, by their indices in SHARERS,
 * which has room for all; but for those whose place in SKIP is not 0 (NULL: for none). Returns how
 * many.
 */
size_t sharing_find(const struct probe_target *target, const uint64_t *addresses, size_t count,
                    const uint32_t *skip, size_t *sharers);

#endif
