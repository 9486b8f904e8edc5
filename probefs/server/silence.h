/* SPDX-License-Identifier: MIT */
/*
 * Which targets do not answer, and how long others are waited for because of that. Somebody has to
 * wait for a silent target to find out; nobody waits for it again before it is tried again.
 *
 *   - a target that did not answer is tried again after 1, 2, 4 ... 30 s, by one request at a time;
 *     all others are told at once
 *   - a user with three silent targets is waited for a tenth of the time, until one of them answers
 */
#ifndef PROBEFS_SILENCE_H
#define PROBEFS_SILENCE_H

#include "shared/clock.h"

#include <pthread.h>
#include <sys/types.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include <uthash.h>

/* What is known of one target; all 0 at first, and as long as it answers. */
struct silence {
    _Atomic int64_t pause; /* between the last two tries; 0: it is not silent */
    struct timespec next;  /* when it is tried again */
    bool is_tried;         /* somebody tries */
    _Atomic bool hangs;    /* that was the reason of the last silence */
};

/* A user of whom targets fell silent, and none has answered since. */
struct silent_user {
    uid_t uid;
    unsigned int targets;
    struct timespec last; /* when the last of them did not answer */
    UT_hash_handle hh;
};

struct silences {
    pthread_mutex_t lock; /* guards all of it, and each struct silence, whose pause all may read */
    struct silent_user *users;
    int64_t wait; /* for how long a request waits for its worker; set at the start */
};

int silences_init(struct silences *silences, int64_t wait);
void silences_done(struct silences *silences);

/*
 * May a target of USER be asked now? Returns how long to wait for the answer, in nanoseconds, or 0:
 * it is silent. After any but 0, silence_end() must be called.
 */
int64_t silence_begin(struct silences *silences, struct silence *silence, uid_t user);
/*
 * What came of it, as STATUS of the call says: 0 it has answered, ETIMEDOUT it has not; ESHUTDOWN,
 * ETIME and EALREADY the same, but nothing hangs: so the first such silence is tried again at once
 * (but of a user with three silent targets, where each try would cost one more tenth).
 * With any other error, nothing is known (its worker has died, or cannot be started).
 */
void silence_end(struct silences *silences, struct silence *silence, uid_t user, int status);

bool silence_is_on(const struct silence *silence);

/* Was it something that hangs, the last time? */
bool silence_hangs(const struct silence *silence);

/* Did a target of USER fall silent a moment ago, and none answer since? */
bool silence_is_fresh(struct silences *silences, uid_t user);

#endif
