/* SPDX-License-Identifier: MIT */
/*
 * Workers that were killed, and have not died yet: the kernel lets nobody out of some waits. Where
 * one is stuck at a process, the next worker would be stuck, too. All functions are called with the
 * pool's lock held.
 */
#ifndef PROBEFS_CORPSES_H
#define PROBEFS_CORPSES_H

#include "service/protocol.h"

struct corpse;

struct corpses {
    struct corpse *list;
};

/*
 * Remembers the worker behind PIDFD, of user UID, which is stuck at the process that CALL is about;
 * NULL: at none, it was stopped, or slow.
 */
void corpses_add(struct corpses *corpses, uid_t uid, int pidfd, const struct call *call);
void corpses_done(struct corpses *corpses);

/* How many of UID there are still. */
unsigned int corpses_count(struct corpses *corpses, uid_t uid);
/* Is one stuck at the process that CALL is about? */
bool corpses_have(struct corpses *corpses, const struct call *call);

#endif
