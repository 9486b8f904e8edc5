/* SPDX-License-Identifier: MIT */
/* A pool and its workers from within: for pool.c, which starts and ends them, and calls.c. */
#ifndef PROBEFS_POOL_INTERNAL_H
#define PROBEFS_POOL_INTERNAL_H

#include "workers/corpses.h"
#include "workers/late.h"
#include "workers/pool.h"

#include <pthread.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include <uthash.h>

enum { CHANNELS_MAX = 32 }; /* of one worker, that are kept open for the next calls */

struct worker {
    struct workers *workers;
    struct worker_identity identity;
    uint64_t number;
    pid_t pid;
    int pidfd;
    int given;       /* see struct worker_watch */
    clockid_t clock; /* of its processor time */

    /* What follows is guarded by the lock of `workers`. */
    int64_t used;            /* its processor time, */
    struct timespec used_at; /* when that was asked for last */
    int control;
    int channels[CHANNELS_MAX]; /* idle ones */
    size_t channel_count;
    struct busy_channel *busy; /* those that somebody waits on */
    unsigned int users;
    bool listed;    /* gets new calls */
    bool counts;    /* it counts firings, which end with it */
    bool abandoned; /* was ended because it did not answer */
    time_t idle_since;
    UT_hash_handle hh;
};

/* A channel with a call that is under way; a record of whoever makes it. */
struct busy_channel {
    int channel;
    struct timespec begun;
    int64_t used; /* the worker's processor time by then, or a moment before */
    struct busy_channel *prev, *next;
};

struct workers {
    struct workers_options options;
    pthread_mutex_t lock;
    int wake;             /* an eventfd: a worker became idle or was given up, or all are to end */
    int events;           /* an epoll: of `wake`, and of each worker's end */
    struct worker *table; /* by identity */
    struct corpses corpses;
    uint64_t last_number; /* of the worker that was started last */
    bool ending;
    bool lost;         /* one was given up, since the sweeper has looked */
    time_t next_sweep; /* when the sweeper ends idle ones; 0: it waits until one is */
    pthread_t sweeper;
    struct late_calls *late_calls; /* calls whose answer nobody waits for */
};

/* Both are called with the lock held. */

/* A worker was given up: what it kept is kept by nobody, be it dead or not. */
void workers_note_lost(struct workers *workers);

/* Takes it off the list: its channels are closed, so it ends when it has answered. */
void worker_unlist(struct worker *worker);

#endif
