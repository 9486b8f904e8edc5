/* SPDX-License-Identifier: MIT */
/*
 * Which worker answers a call. Here, too, is the one place where the server opens an image for a
 * worker.
 */
#ifndef PROBEFS_ROUTER_H
#define PROBEFS_ROUTER_H

#include "server/caller.h"
#include "workers/pool.h"

struct router;

int router_new(const struct workers_options *options, struct router **router);
void router_free(struct router *router);

/* The identity of the image that PID has now, as the server sees it. Errors: ENOENT, ESRCH. */
int router_identify(struct router *router, pid_t pid, struct probe_image_id *id);

/* Where a handle was opened, and what its opener may. Opaque but for its size. */
struct route {
    struct worker *worker;
    enum authority authority;
    uid_t uid; /* of the processes */
};

/*
 * The route to processes of USER for a caller with AUTHORITY; ended by router_end(). Errors: EACCES
 * a server that is not root serves its own user alone; those of workers_get().
 */
int router_begin(struct router *router, const struct process_user *user, enum authority authority,
                 struct route *route);
void router_end(struct route *route);

/*
 * Is the service that ROUTE leads to there no more? Then ANOTHER route, to one of the same
 * identity, may be had. Errors: those of workers_get().
 */
bool router_is_broken(const struct route *route);
int router_find_another(struct router *router, const struct route *route, struct route *another);

/*
 * Makes CALL on that route. Returns 0, or the error of the call as a negative errno value, with a
 * sentence in the reply. The caller frees the reply's payload.
 */
int router_call(struct router *router, const struct route *route, struct call *call);

/*
 * The same for a call that needs nothing of calls before it: where the worker has just ended (its
 * user may kill it), another answers, and ROUTE leads there.
 */
int router_call_first(struct router *router, struct route *route, struct call *call);

/* The same for one that asks for no image: none is lent, whatever the worker says. */
int router_ask(struct router *router, struct route *route, struct call *call);

#endif
