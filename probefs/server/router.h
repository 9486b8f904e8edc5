/* SPDX-License-Identifier: MIT */
/*
 * Which worker answers a call: any with the identity of the process, which is started if there is
 * none. Here, too, is the one place where the server opens an image for a worker.
 */
#ifndef PROBEFS_ROUTER_H
#define PROBEFS_ROUTER_H

#include "server/caller.h"
#include "server/silence.h"
#include "workers/calls.h"

struct router;

int router_new(const struct workers_options *options, struct router **router);
void router_free(struct router *router);

/* Whose workers answer, and what whoever asks may. Decided once, and good for as long as wanted. */
struct route {
    struct worker_identity identity;
    enum authority authority;
    struct silence *silence; /* of the target that is asked for; NULL: of several */
    struct silences *silences;
};

/*
 * The route to processes of USER for a caller with AUTHORITY. Errors: EACCES it has none, or the
 * server is not root and serves its own user alone.
 */
int router_find(struct router *router, const struct process_user *user, enum authority authority,
                struct silence *silence, struct route *route);

/*
 * Makes CALL on that route. Returns 0, or the error of the call as a negative errno value, with a
 * sentence in the reply. The caller frees the reply's payload. If the call's file was opened with
 * an image that was lent, `lent` is set in the request. Errors: those of workers_get() and of
 * worker_call(); ETIMEDOUT also where the target is silent.
 */
int router_call(struct router *router, const struct route *route, struct call *call);

/* The same for a call that asks for no image: none is lent, whatever the worker says. */
int router_ask(struct router *router, const struct route *route, struct call *call);

/*
 * Asks a question that needs no image, and waits no longer than WAIT nanoseconds: returns as
 * router_ask(), or -EINPROGRESS. Then LATE is called later as worker_ask() says, and has to call
 * router_end_question() with its status. Errors: ETIMEDOUT also where the target is silent.
 */
int router_ask_question(struct router *router, const struct route *route, struct call *call,
                        int64_t wait, worker_late *late, void *data);
void router_end_question(const struct route *route, int status);

/* Did a process of USER not answer a moment ago, and none of that user's since? */
bool router_is_silent(struct router *router, uid_t user);

/*
 * One worker of that route, to be given back by worker_put(): for holds, which it keeps. Errors:
 * those of workers_get().
 */
int router_get_worker(struct router *router, const struct route *route, struct worker **worker);
/* As router_call(), and as router_ask(), of WORKER and of no other. */
int router_call_worker(struct router *router, const struct route *route, struct worker *worker,
                       struct call *call);
int router_ask_worker(struct worker *worker, struct call *call);

#endif
