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
 * Both waits end after a time: the process of a hostile user may keep a release from its end for as
 * long as it likes, and thousands may queue up behind it.
 *
 * And a worker may end before the holds that it keeps: then another takes them over.
 */
#ifndef PROBEFS_HOLD_LIST_H
#define PROBEFS_HOLD_LIST_H

#include <pthread.h>
#include <stdatomic.h>
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
    bool given_up;           /* likewise: what cannot be taken over waits for the next request */
    atomic_uint count;       /* of those files: a hint for who has no lock */

    pthread_mutex_t release_lock;
    pthread_cond_t released;
    /* Guarded by release_lock: */
    unsigned int releasing; /* releases received and not done */
    bool hangs;             /* the last of them that is done was not answered */
};

void held_init(struct held *held);
void held_done(struct held *held);

/* Lists FILE, and takes it off. Called with held->lock held, as the third. */
void held_add(struct held *held, struct held_file *file);
void held_remove(struct held *held, struct held_file *file);
/* Writing the counters has ended the claim of FILE: there is nothing to give back. */
void held_end_claim(struct held_file *file);

/* A release was received; it is done, with that status. */
void held_expect_release(struct held *held);
void held_end_release(struct held *held, int status);

/*
 * Waits until all releases that were received are done. Returns 0, or -ETIMEDOUT: after some time,
 * or at once where the release before was not answered either.
 */
int held_wait(struct held *held);

/* Locks held->lock; -ETIMEDOUT where others have it for too long. */
int held_lock(struct held *held);

#endif
