/* SPDX-License-Identifier: MIT */
/*
 * The open `hold` files of one target, as the server sees them; the references themselves are with
 * the workers. Two things need them together:
 *
 *   - a write that sets counters through another service ends the claims of older holds: it must
 *     know of them, and none may come or go meanwhile
 *   - a look that starts after close() returned must not see the hold: so looks wait for releases
 *     that the kernel has sent before them
 */
#ifndef PROBEFS_HELD_H
#define PROBEFS_HELD_H

#include <pthread.h>
#include <stdbool.h>

struct worker;

/* One open hold. */
struct held_file {
    struct worker *worker;
    struct held_file *prev, *next;
};

struct held {
    pthread_mutex_t lock;    /* held by whoever changes counters, for the time of the call */
    struct held_file *files; /* guarded by lock */

    pthread_mutex_t release_lock;
    pthread_cond_t released;
    unsigned int releasing; /* releases received and not done; guarded by release_lock */
};

void held_init(struct held *held);
void held_done(struct held *held);

/* A release was received; it is done; wait until all that were received are done. */
void held_expect_release(struct held *held);
void held_end_release(struct held *held);
void held_wait(struct held *held);

/* Has any service but WORKER (NULL: the server's own) holds? Called with the lock held. */
bool held_elsewhere(const struct held *held, const struct worker *worker);

#endif
