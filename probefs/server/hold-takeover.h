/* SPDX-License-Identifier: MIT */
/*
 * Holds whose worker has ended before them: nobody gives their references back, should the server
 * end, too. So another worker takes them over, as soon as the end of the first is seen; and where
 * that cannot be done then, whenever the target is asked for, or the hold is closed.
 *
 * The first three are called with the lock of the target's holds held.
 */
#ifndef PROBEFS_HOLD_TAKEOVER_H
#define PROBEFS_HOLD_TAKEOVER_H

#include "server/server.h"

bool takeover_is_due(const struct hold_entry *held);

/*
 * Lets another worker take over an orphan. A target that has gone took its counters along: then
 * there is nothing to keep. Errors: those of workers_get() and of the service; EINPROGRESS it can
 * do so in a while.
 */
int takeover_one(struct server *server, struct hold_entry *held, struct probe_error *error);

/* The same for all orphans among HELD. Errors: of the first that failed; the next may not. */
int takeover_all(struct server *server, struct hold_list *held);

/* A worker has ended: looks after the holds on all targets. DATA is the server. */
void takeover_look_after(void *data);

#endif
