/* SPDX-License-Identifier: MIT */
/* How long an update may wait, for a lock and for threads to stop together. */
#ifndef ENGINE_DEADLINE_H
#define ENGINE_DEADLINE_H

#include <stdbool.h>
#include <time.h>

/*
 * The moment, on CLOCK_MONOTONIC, by which an update that begins now has to be under way: a bit
 * less than a second, so that a client that waits for one second hears why it failed.
 */
struct timespec deadline_of_update(void);

/* The same for a stop that is tried, and done without where it does not come soon. */
struct timespec deadline_of_try(void);

/* A little after DEADLINE: for whoever waits for somebody who looks at it. */
struct timespec deadline_with_slack(const struct timespec *deadline);

bool deadline_is_past(const struct timespec *deadline);

#endif
