/* SPDX-License-Identifier: MIT */
/*
 * The last probes whose counters somebody set, of all processes that one worker serves. A child
 * that was forked while its parent was held has the hold's reference in its counters; once these
 * were set, it has not, and what is there is of others.
 */
#ifndef PROBEFS_SETS_H
#define PROBEFS_SETS_H

#include <probe-engine.h>
#include <pthread.h>

enum { SETS_MAX = 4096 };

struct set_probe {
    pid_t pid;
    uint64_t start_time;
    uint64_t name; /* a digest of it */
};

struct sets {
    pthread_mutex_t lock;
    struct set_probe ring[SETS_MAX]; /* the newest overwrites the oldest; guarded by lock */
    size_t count;                    /* of all there ever were; likewise */
};

int sets_init(struct sets *sets);
void sets_done(struct sets *sets);

/* The counters of probe NAME in the process that ID is of were set. */
void sets_note(struct sets *sets, pid_t pid, const struct probe_image_id *id, const char *name);
/* Were they, in the process that started at START_TIME? */
bool sets_has(struct sets *sets, pid_t pid, uint64_t start_time, const char *name);

#endif
