/* SPDX-License-Identifier: MIT */
/* The last failures on one target: what its error_log shows. */
#ifndef PROBEFS_FAILURES_H
#define PROBEFS_FAILURES_H

#include "caller.h"

#include <probe-engine.h>
#include <pthread.h>
#include <stdio.h>

enum { FAILURES_MAX = 64 };

struct failures {
    pthread_mutex_t lock;
    char *lines[FAILURES_MAX]; /* a ring; guarded by lock */
    size_t count;              /* of all there ever were: likewise */
};

void failures_init(struct failures *failures);
void failures_done(struct failures *failures);

/*
 * Adds a line: CALLER wanted to do WHAT (as "write \"2\" to gc_start/enabled"), which failed with
 * STATUS (a negative errno value) for the reason in ERROR. The line is logged, too.
 */
void failures_add(struct failures *failures, const struct caller *caller, const char *what,
                  int status, const struct probe_error *error);

/* Adds SENTENCE as it is, unless it stands there already. */
void failures_add_once(struct failures *failures, const char *sentence);

bool failures_exist(struct failures *failures);

/* Writes all lines, the oldest first. */
void failures_print(struct failures *failures, FILE *out);

#endif
