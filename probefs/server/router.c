/* SPDX-License-Identifier: MIT */
#include "server/router.h"

#include "common/advice.h"
#include "service/operations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct router {
    struct probe_engine *engine; /* for identities, and images for workers */
    struct workers *workers;
    uid_t uid; /* the server's */
    gid_t gid;
};

int router_new(const struct workers_options *options, struct router **result)
{
    struct router *router = calloc(1, sizeof(*router));
    if (!router)
        return -ENOMEM;
    router->uid = geteuid();
    router->gid = getegid();
    int status = probe_engine_new(NULL, &router->engine);
    if (status == 0)
        status = workers_new(options, &router->workers);
    if (status < 0) {
        router_free(router);
        return status;
    }
    *result = router;
    return 0;
}

void router_free(struct router *router)
{
    if (!router)
        return;
    workers_free(router->workers);
    probe_engine_free(router->engine);
    free(router);
}

int router_identify(struct router *router, pid_t pid, struct probe_image_id *id)
{
    return probe_image_identify(router->engine, pid, id);
}

int router_find(const struct router *router, const struct process_user *user,
                enum authority authority, struct route *route)
{
    *route = (struct route){{user->uid, user->gid, WORKER_OF_USER}, authority};
    if (authority == AUTHORITY_NONE || (router->uid != 0 && user->uid != router->uid))
        return -EACCES;
    /* A caller of uid 0 without the capability gets what the kernel would give to it. */
    if (user->uid == router->uid && (authority == AUTHORITY_ADMIN || router->uid != 0))
        route->identity = (struct worker_identity){router->uid, router->gid, WORKER_OF_SERVER};
    return 0;
}

/* ---- calls ------------------------------------------------------------------------------ */

/* A sentence holds names and text of others', and goes to logs and terminals. */
static void clean_sentence(struct probe_error *sentence)
{
    if (!sentence->text[0])
        return;
    const struct probe_error raw = *sentence;
    probe_escape(raw.text, strlen(raw.text), sentence->text, sizeof(sentence->text));
}

static void explain_failure(int status, struct call *call)
{
    call->reply = (struct reply){0};
    snprintf(call->reply.sentence.text, sizeof(call->reply.sentence.text), "process %d: %s",
             call->request.pid,
             status == -ETIMEDOUT ? "its user's worker did not answer in time: something that this "
                                    "user's processes have mapped hangs, which has to be ended "
                                    "first"
             : status == -EIO     ? "its user's worker ended before it answered: look what the "
                                    "state is now, and try again"
                                  : "its user's worker cannot be started");
}

/* For callers, a worker that was ended because another call hung did not answer. */
int router_ask_worker(struct worker *worker, struct call *call)
{
    int status = worker_call(worker, call);
    if (status == -ECONNRESET)
        status = -ETIMEDOUT;
    if (status < 0) {
        explain_failure(status, call);
        return status;
    }
    clean_sentence(&call->reply.sentence);
    return -call->reply.error;
}

int router_get_worker(struct router *router, const struct route *route, struct worker **worker)
{
    return workers_get(router->workers, &route->identity, worker);
}

/* Has the worker ended in the call (its user may kill it), which another may then answer? */
static bool may_repeat(struct worker *worker, const struct call *call, int status)
{
    return status == -EIO && operation_rows[call->request.operation].repeatable &&
           worker_is_gone(worker);
}

int router_ask(struct router *router, const struct route *route, struct call *call)
{
    bool again = true;
    int status = -EIO;
    for (int i = 0; i < 2 && again; i++) {
        struct worker *worker = NULL;
        status = router_get_worker(router, route, &worker);
        if (status < 0) {
            explain_failure(status, call);
            return status;
        }
        status = router_ask_worker(worker, call);
        again = may_repeat(worker, call, status);
        worker_put(worker);
    }
    return status;
}

/* Of any worker where WORKER is NULL. */
static int ask_some(struct router *router, const struct route *route, struct worker *worker,
                    struct call *call)
{
    return worker ? router_ask_worker(worker, call) : router_ask(router, route, call);
}

/*
 * May the server open the image for the worker, which says that it may not? Never with more than
 * the request needs, whatever the worker says. For administrators yes, where the user's own
 * authority does not reach. For the user themselves only for reading, and only where they may see
 * its mappings: that is what Yama forbids, and reading shows no more than maps do.
 */
static bool may_lend(const struct route *route, const struct call *call)
{
    if (!call->reply.needs_image)
        return false;
    return route->authority == AUTHORITY_ADMIN ||
           (route->authority == AUTHORITY_OWN && call->reply.sees_maps &&
            call->request.access == PROBE_READ);
}

/* Is the memory its user's own, and not root's (of a program that is not dumpable)? */
static bool belongs_to(const struct probe_image *image, uid_t uid)
{
    struct stat status;
    return fstat(image->mem, &status) == 0 && status.st_uid == uid;
}

/* Opens the image of the call, and no other, for the service to use once. */
static int lend(struct router *router, const struct route *route, struct call *call)
{
    struct probe_image image;
    int status = probe_image_open_for(router->engine, call->request.pid, call->request.access,
                                      &image, &call->reply.sentence);
    advice_add(&call->reply.sentence);
    if (status < 0)
        return status;
    if (!probe_image_id_equal(&image.id, &call->request.id))
        status = -ESRCH;
    else if (route->authority != AUTHORITY_ADMIN && !belongs_to(&image, route->identity.uid))
        status = -EACCES;
    if (status < 0)
        probe_image_done(&image);
    else
        call->image = image;
    return status;
}

/* Whose image it is that a worker asks for files of. */
struct lent {
    struct router *router;
    const struct probe_image *image;
};

/* For a call's open_mapped. */
static int open_lent_file(void *data, uint64_t start, uint64_t end)
{
    const struct lent *lent = data;
    return probe_image_open_mapped(lent->router->engine, lent->image, start, end);
}

/* Makes the call with an image that is opened for it. */
static int call_with_image(struct router *router, const struct route *route, struct worker *worker,
                           struct call *call)
{
    struct lent lent = {router, &call->image};
    int status = lend(router, route, call);
    if (status < 0)
        return status;
    if (route->authority == AUTHORITY_ADMIN) {
        call->open_mapped = open_lent_file;
        call->open_mapped_data = &lent;
    }
    status = ask_some(router, route, worker, call);
    call->open_mapped = NULL;
    call->open_mapped_data = NULL;
    probe_image_done(&call->image);
    return status;
}

/* What was opened with an image that was lent is lent one each time, and not tried without. */
int router_call_worker(struct router *router, const struct route *route, struct worker *worker,
                       struct call *call)
{
    if (!call->request.lent) {
        int status = ask_some(router, route, worker, call);
        if (status == 0 || !may_lend(route, call))
            return status;
        free(call->out);
        call->out = NULL;
        call->out_length = 0;
        call->request.lent = true;
    }
    return call_with_image(router, route, worker, call);
}

int router_call(struct router *router, const struct route *route, struct call *call)
{
    return router_call_worker(router, route, NULL, call);
}
