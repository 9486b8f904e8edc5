/* SPDX-License-Identifier: MIT */
/*
 * The workers as the server sees them: started when first needed, asked, ended when idle.
 *
 * A call that is not answered within a second is ETIMEDOUT and the end of its worker: whatever
 * hangs there (a page of a file system that never answers) hangs with it. One that cannot die is
 * left behind; too many of them, and their user is refused until one dies.
 */
#ifndef PROBEFS_POOL_H
#define PROBEFS_POOL_H

#include "common/log.h"
#include "service/service.h"
#include "workers/start.h"

struct workers;

struct workers_options {
    enum probe_log_level log_level;
    bool to_syslog;
    struct service_options service; /* for each worker's */
    int64_t answer_time;            /* how long a call may wait for its answer, at most */
    /* Called after one or more that were in use have ended, by a thread of its own. */
    void (*ended)(void *data);
    void *ended_data;
};

/* What a worker of IDENTITY is started with. */
struct worker_setup workers_setup(const struct workers_options *options,
                                  const struct worker_identity *identity);

int workers_new(const struct workers_options *options, struct workers **workers);
/* Ends all of them. */
void workers_free(struct workers *workers);

/*
 * One worker, for one call or for as long as a handle in it is open: it is not ended as idle
 * before worker_put(). Errors: ETIMEDOUT too many that hang; EAGAIN, ENOMEM, EMFILE it cannot be
 * started.
 */
struct worker;
int workers_get(struct workers *workers, const struct worker_identity *identity,
                struct worker **worker);
void worker_use(struct worker *worker);
/* The `answer_time` of its options. */
int64_t worker_answer_time(const struct worker *worker);
void worker_put(struct worker *worker);

/* For whoever gives back what a worker kept that has not told of it: descriptors of the pool's. */
struct worker_watch {
    uint64_t number; /* which no other worker of this pool has */
    int pidfd;
    int given; /* where it tells, at its end, which holds it gives back; read by nobody else */
};
void worker_watch(const struct worker *worker, struct worker_watch *watch);

/* Has it died, or been ended? Then what it kept, it keeps no more. */
bool worker_is_gone(struct worker *worker);
const struct worker_identity *worker_identity(const struct worker *worker);

#endif
