/* SPDX-License-Identifier: MIT */
/* Calls to workers: what happens in the server between a question and its answer. */
#ifndef PROBEFS_CALLS_H
#define PROBEFS_CALLS_H

#include "workers/pool.h"

/*
 * Asks, and waits for the answer for WAIT nanoseconds at most. Errors: it did not answer, and was
 * ended: ETIMEDOUT as something hangs, ESHUTDOWN as somebody had stopped it, ETIME as it got little
 * processor time, EALREADY as it had more to do; EIO it has died; ECONNRESET it was ended
 * meanwhile, as it did not answer another call. The call's own error is in its reply.
 */
int worker_call(struct worker *worker, struct call *call, int64_t wait);

/*
 * Asks, and waits for the answer no longer than WAIT nanoseconds: returns as worker_call() does, or
 * -EINPROGRESS. Then CALL, which no image comes with, must live until LATE is called, once, by a
 * thread of the pool's: with the answer, or, after the time that any call has, its error. LATE may
 * not wait for anything.
 */
typedef void worker_late(struct call *call, int status, void *data);
int worker_ask(struct worker *worker, struct call *call, int64_t wait, worker_late *late,
               void *data);

#endif
