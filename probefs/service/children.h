/* SPDX-License-Identifier: MIT */
/*
 * References of holds that were given back, and are now taken from the children that were forked
 * meanwhile. That begins in the call that gave them back; a thread goes on with what takes longer.
 *
 * Children that became other users (the workers of a web server, say) can only be written by root's
 * worker, and can make whoever looks at them wait for ever: a process of its own does it, and is
 * given up if it takes too long.
 */
#ifndef PROBEFS_CHILDREN_H
#define PROBEFS_CHILDREN_H

#include "nodes/sets.h"
#include "service/service.h"

enum { HELPERS_MAX = 4 };

/* A reference that was given back, and what children it was taken from. */
struct inherited;

struct child_queue {
    struct probe_engine *engine;
    enum probe_method method; /* as in the service's options, and so is this: */
    bool allow_gigatext;
    struct sets *sets;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct inherited *list;     /* guarded by lock, and so is all below */
    bool running;               /* there is a thread */
    bool ending;                /* it ends as soon as it can */
    pid_t helpers[HELPERS_MAX]; /* the thread's own: processes that were given up; 0: none */
};

int child_queue_init(struct child_queue *queue, struct probe_engine *engine,
                     const struct service_options *options, struct sets *sets);
void child_queue_done(struct child_queue *queue);

/*
 * For child_queue_add(), made before the reference is taken: there may be no memory when it is
 * given back, and nobody would look for its children another time. NULL: there is no memory.
 */
struct inherited *inherited_new(void);
void inherited_free(struct inherited *inherited);

/*
 * Takes REFERENCE, to probe NAME, from the children; owns all three from here on. LATER: leaves all
 * to the thread, for a caller who has no time.
 */
void child_queue_add(struct child_queue *queue, struct inherited *inherited,
                     struct probe_reference *reference, char *name, bool later);

/* Waits until nothing is left to do, at most until DEADLINE. */
void child_queue_wait(struct child_queue *queue, const struct timespec *deadline);

#endif
