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
#include <stdint.h>

struct budgets;
struct file;
struct shared_bytes;
struct worker;

/* One open hold. */
struct hold_entry {
    struct file *file;
    struct worker *worker; /* which keeps it; in use */
    /* What another worker needs to take it over from one that has ended; NULL: its claim has. */
    struct shared_bytes *saved;
    bool warned;           /* that it cannot be taken over */
    unsigned int guardian; /* which one knows of it; 0: none */
    struct hold_entry *prev, *next;
};

struct hold_list {
    int64_t wait;             /* for how long anybody waits; set at the start */
    pthread_mutex_t lock;     /* held by whoever changes counters, for the time of the call */
    struct hold_entry *files; /* guarded by lock */
    bool is_stuck;            /* likewise: what cannot be taken over waits for the next request */
    atomic_uint count;        /* of those files: a hint for who has no lock */

    pthread_mutex_t release_lock;
    pthread_cond_t released;
    /* Guarded by release_lock: */
    unsigned int releasing; /* releases received and not done */
    bool hangs;             /* the last of them that is done was not answered */
};

void hold_list_init(struct hold_list *held);
void hold_list_done(struct hold_list *held);

/* Lists FILE, and takes it off. Called with held->lock held, as the third. */
void hold_list_add(struct hold_list *held, struct hold_entry *file);
void hold_list_remove(struct hold_list *held, struct hold_entry *file);
/* Writing the counters has ended the claim of FILE: there is nothing to give back. */
void hold_list_end_claim(struct budgets *budgets, struct hold_entry *file);

/* A release was received; it is done, with that status. */
void hold_list_expect_release(struct hold_list *held);
void hold_list_end_release(struct hold_list *held, int status);

/*
 * Waits until all releases that were received are done. Returns 0, or -ETIMEDOUT: after some time,
 * or at once where the release before was not answered either.
 */
int hold_list_wait(struct hold_list *held);

/* Locks held->lock; -ETIMEDOUT where others have it for too long. */
int hold_list_lock(struct hold_list *held);

#endif
