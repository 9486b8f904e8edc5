/* SPDX-License-Identifier: MIT */
#include "server/router.h"

#include "common/advice.h"

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

/* ---- routes ----------------------------------------------------------------------------- */

/*
 * Root's own processes take the same path as everybody's: into a worker, which then has all that
 * the server has. A caller of uid 0 without the capability gets what the kernel would grant it: one
 * with that user and group, and nothing else.
 */
int router_begin(struct router *router, const struct process_user *user, enum authority authority,
                 struct route *route)
{
    struct worker_identity identity = {.uid = user->uid, .gid = user->gid};
    *route = (struct route){.authority = authority, .uid = user->uid};
    if (authority == AUTHORITY_NONE)
        return -EACCES;
    if (user->uid == router->uid && (authority == AUTHORITY_ADMIN || router->uid != 0))
        identity = (struct worker_identity){router->uid, router->gid, true};
    else if (router->uid != 0)
        return -EACCES;
    return workers_get(router->workers, &identity, &route->worker);
}

void router_end(struct route *route)
{
    if (route->worker)
        worker_put(route->worker);
    route->worker = NULL;
}

bool router_is_broken(const struct route *route)
{
    return route->worker && worker_is_gone(route->worker);
}

int router_find_another(struct router *router, const struct route *route, struct route *another)
{
    struct worker *worker = NULL;
    int status = workers_get(router->workers, worker_identity(route->worker), &worker);
    if (status < 0)
        return status;
    *another = *route;
    another->worker = worker;
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

static int call_once(const struct route *route, struct call *call)
{
    int status = worker_call(route->worker, call);
    if (status < 0) {
        call->reply = (struct reply){0};
        snprintf(call->reply.sentence.text, sizeof(call->reply.sentence.text),
                 "process %d: its user's worker %s", call->request.pid,
                 status == -ETIMEDOUT || status == -ECONNRESET
                     ? "did not answer in time: something that this user's "
                       "processes have mapped hangs, which has to be ended first"
                     : "has ended: open the file again");
        return status;
    }
    clean_sentence(&call->reply.sentence);
    return -call->reply.error;
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
    else if (route->authority != AUTHORITY_ADMIN && !belongs_to(&image, route->uid))
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

static int call_or_lend(struct router *router, const struct route *route, struct call *call)
{
    struct lent lent = {router, &call->image};
    int status = call_once(route, call);
    if (status == 0 || !may_lend(route, call))
        return status;
    free(call->out);
    call->out = NULL;
    call->out_length = 0;
    status = lend(router, route, call);
    if (route->authority == AUTHORITY_ADMIN) {
        call->open_mapped = open_lent_file;
        call->open_mapped_data = &lent;
    }
    if (status == 0)
        status = call_once(route, call);
    call->open_mapped = NULL;
    call->open_mapped_data = NULL;
    probe_image_done(&call->image);
    return status;
}

/* For the caller of the mount, a worker that was ended because it hung did not answer. */
static int final_status(int status)
{
    return status == -ECONNRESET ? -ETIMEDOUT : status;
}

/*
 * Has the worker died in the call? Then there is another now. Where it was ended because another
 * call hung, that may go on: to wait for one more second would only be to wait.
 */
static bool is_renewed(struct router *router, struct route *route, int status)
{
    struct route another;
    if (status != -EIO || !router_is_broken(route) ||
        router_find_another(router, route, &another) < 0)
        return false;
    router_end(route);
    *route = another;
    return true;
}

int router_call(struct router *router, const struct route *route, struct call *call)
{
    return final_status(call_or_lend(router, route, call));
}

int router_call_first(struct router *router, struct route *route, struct call *call)
{
    int status = call_or_lend(router, route, call);
    if (is_renewed(router, route, status))
        status = call_or_lend(router, route, call);
    return final_status(status);
}

int router_ask(struct router *router, struct route *route, struct call *call)
{
    int status = call_once(route, call);
    if (is_renewed(router, route, status))
        status = call_once(route, call);
    return final_status(status);
}
