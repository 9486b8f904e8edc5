/* SPDX-License-Identifier: MIT */
/*
 * Holds survive the end of their worker, as another takes them over, and the end of the server, as
 * their worker gives them back. The guardian is for both at once: the server may be ended before
 * another worker has taken over. It is a process with the server's identity, which no user can end,
 * and has a copy of what the server knows of each hold. As long as the server lives, it does
 * nothing. Then it waits for the workers, and gives back what those left that ended before they
 * could.
 *
 * A hold is told to the guardian before a worker goes on with it, and taken off before a worker is
 * asked to give it back: so whenever the server ends, nothing is given back twice.
 */
#ifndef PROBEFS_GUARD_H
#define PROBEFS_GUARD_H

#include "server/hold-list.h"
#include "workers/pool.h"

/* A server's guardian. It is started with the first hold. */
struct guard;

int guard_new(const struct workers_options *options, struct guard **guard);
/* The guardian ends with the server, and not before. NULL is fine, here and below. */
void guard_free(struct guard *guard);

/*
 * WORKER keeps HELD, which is saved, from now on. Where the guardian cannot be told, the log says
 * so, and the hold is there all the same. Both are called with the lock of the target's holds.
 */
void guard_keep(struct guard *guard, struct hold_entry *held, struct worker *worker);
/* There is nothing to give back any more, or soon. */
void guard_forget(struct guard *guard, struct hold_entry *held);

/* main() of the guardian, which ends the process. ANSWER_TIME is as in workers_options. */
int guardian_main(int argc, char **argv, int64_t answer_time);

#endif
