/* SPDX-License-Identifier: MIT */
/*
 * The open `hold` files of one target, as the server sees them; the references themselves are with
 * the workers. Two things need them together:
 *
 *   - a write that sets counters ends the claims of older holds, whatever service it goes through
 *     and whatever worker keeps them: it must know of them, and none may come or go meanwhile
 *   - a look that starts after close() returned must not see the hold: so looks wait for releases
 *     that the kernel has sent before them
 *
 * And a worker may end before the holds that it keeps: then another takes them over.
 */
#ifndef PROBEFS_HELD_H
#define PROBEFS_HELD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct file;

/* One open hold. */
struct held_file {
    struct file *file;
    /* What another worker needs to take it over from one that has ended; NULL: its claim has. */
    char *saved;
    size_t saved_length;
    bool told; /* that it cannot be taken over */
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

#endif
