/* SPDX-License-Identifier: MIT */
/* The last failures on one target: what its error_log shows. */
#ifndef PROBEFS_FAILURES_H
#define PROBEFS_FAILURES_H

#include "server/caller.h"

#include <probe-engine.h>
#include <pthread.h>
#include <stdio.h>

/*
 * So many lines are kept. Callers who may not look into the target have a share of their own: what
 * they try leaves its sentences, and displaces none of others'. At least so many of theirs are
 * shown, and more where the others leave room.
 */
enum { FAILURES_MAX = 64, FAILURES_OF_STRANGERS = 8 };

enum failure_share { FAILURE_OF_USER, FAILURE_OF_STRANGER, FAILURE_SHARES };

struct failure_line {
    char *text;
    uint64_t number; /* in the order of time, from 0 */
};

/* A ring. */
struct failure_lines {
    struct failure_line lines[FAILURES_MAX];
    size_t count; /* of all there ever were */
};

struct failures {
    pthread_mutex_t lock;
    struct failure_lines shares[FAILURE_SHARES]; /* guarded by lock */
    uint64_t next_number;                        /* likewise */
};

void failures_init(struct failures *failures);
void failures_done(struct failures *failures);

/*
 * Adds a line: CALLER wanted to do WHAT (as "write \"2\" to gc_start/enabled"), which failed with
 * STATUS (a negative errno value) for the reason in ERROR. The line is logged, too.
 */
void failures_add(struct failures *failures, enum failure_share share, const struct caller *caller,
                  const char *what, int status, const struct probe_error *error);

/* Adds SENTENCE as it is, unless it stands there already; it is nobody's failure. */
void failures_add_once(struct failures *failures, const char *sentence);

bool failures_exist(struct failures *failures);

/* Writes all lines, the oldest first. */
void failures_print(struct failures *failures, FILE *out);

#endif
