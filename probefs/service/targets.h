/* SPDX-License-Identifier: MIT */
/* The targets that a service knows, kept a while after their last use. */
#ifndef PROBEFS_TARGETS_H
#define PROBEFS_TARGETS_H

#include "nodes/counts.h"
#include "nodes/holds.h"
#include "service/protocol.h"

#include <pthread.h>
#include <stdatomic.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include <uthash.h>

struct service_target {
    pid_t pid;
    struct probe_image_id id;
    unsigned int users; /* guarded by the table's lock */
    bool listed;        /* in the table: likewise */
    atomic_bool gone;   /* its image was seen to have ended: it is not kept */
    UT_hash_handle hh;

    pthread_mutex_t lock;        /* guards what follows, for the time of one request */
    struct probe_target *target; /* with its own image attached, if ever it could be opened */
    struct holds holds;
    struct counts counts;
    bool counts_use; /* what is counted uses the target; guarded by `counting`'s lock */
    struct service_target *next_counting;
    unsigned int joined;            /* in which round more was looked for: likewise */
    struct probe_image counts_lent; /* the image that was lent to count, or none */
};

struct service_targets {
    pthread_mutex_t lock;
    struct probe_engine *engine;
    struct service_target *table; /* by pid, the longest unused first; guarded by lock */
};

int service_targets_init(struct service_targets *targets, struct probe_engine *engine);
void service_targets_done(struct service_targets *targets);

/*
 * The target of PID whose image is ID, new if need be, in use until service_targets_put(). One of
 * another image of that pid is forgotten. Errors: ENOMEM.
 */
int service_targets_get(struct service_targets *targets, pid_t pid, const struct probe_image_id *id,
                        struct service_target **target);
/*
 * Ends a use; what is known of the target is kept for later only where KEEP says so, or it is in
 * use, counted perhaps, and it has not gone. Those that go unnoticed are found when others come.
 */
void service_targets_put(struct service_targets *targets, struct service_target *target, bool keep);

/*
 * The target that CALL is about, in use; the reply gets its id. Errors: ENOENT, ESRCH there is no
 * such process; ENOMEM.
 */
int service_targets_find(struct service_targets *targets, struct call *call,
                         struct service_target **target);
/* Locks TARGET for CALL, whose looks wait for what is still being read until it has to answer. */
void service_target_lock(struct service_target *target, const struct call *call);

/* Finds it, locked; and the end of that, after a call with STATUS. */
int service_targets_lock(struct service_targets *targets, struct call *call,
                         struct service_target **target);
void service_targets_unlock(struct service_targets *targets, struct service_target *target,
                            int status, bool keep);

/* A target whose image has ended, as STATUS may say, is not kept once nobody uses it. */
void service_target_note_end(struct service_target *target, int status);

#endif
