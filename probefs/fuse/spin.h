/* SPDX-License-Identifier: MIT */
/*
 * After which requests is it worth a moment to try to receive the next one, before sleeping? After
 * an OPEN, mostly; after a RELEASE, where somebody walks through a tree. It is learned: what came
 * in time gives credit to the request before, what did not takes some away, and without any it is
 * tried now and then.
 */
#ifndef PROBEFS_SPIN_H
#define PROBEFS_SPIN_H

#include <stdbool.h>
#include <stdint.h>

enum { SPIN_OPCODES = 64 };

/* All 0 at the begin. */
struct spin {
    uint8_t credit[SPIN_OPCODES];
    uint8_t refused[SPIN_OPCODES]; /* how often, without credit */
};

/* Is it worth it to try after a request OPCODE? */
bool spin_is_worth_it(struct spin *spin, uint32_t opcode);
/* It was tried: did a request come in time? */
void spin_learn(struct spin *spin, uint32_t opcode, bool came);

#endif
