/* SPDX-License-Identifier: MIT */
#include "server/router.h"

#include "service/service.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* More than any user's entry in the database takes. */
enum { PASSWD_SIZE_MAX = 1 << 20 };

/* How many users' login groups are remembered, and for how long. */
enum { LOGINS = 32, LOGIN_SECONDS = 1 };

struct login {
    uid_t uid;
    gid_t gid;
    bool exists;
    time_t until; /* 0: nothing is known */
};

struct router {
    struct probe_engine *engine; /* for identities, and images for workers */
    struct service *service;
    struct workers *workers;
    uid_t uid; /* the server's */
    gid_t gid;
    pthread_mutex_t login_lock;
    struct login logins[LOGINS]; /* by uid; guarded by login_lock */
};

int router_new(const struct workers_options *options, struct router **result)
{
    struct router *router = calloc(1, sizeof(*router));
    if (!router)
        return -ENOMEM;
    router->uid = geteuid();
    router->gid = getegid();
    pthread_mutex_init(&router->login_lock, NULL);
    int status = probe_engine_new(NULL, &router->engine);
    if (status == 0)
        status = service_new(&options->service, &router->service);
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
    service_free(router->service);
    probe_engine_free(router->engine);
    pthread_mutex_destroy(&router->login_lock);
    free(router);
}

int router_identify(struct router *router, pid_t pid, struct probe_image_id *id)
{
    return probe_image_identify(router->engine, pid, id);
}

/* ---- routes ----------------------------------------------------------------------------- */

/*
 * A user of the database has the group of the database; it is what a login would give. Returns 1, 0
 * where the user is not in it, or an error where that could not be found out.
 */
static int read_login_group(uid_t uid, gid_t *gid)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char *buffer = NULL;
    int status = ERANGE;
    for (size_t size = 1024; status == ERANGE && size <= PASSWD_SIZE_MAX; size *= 4) {
        char *larger = realloc(buffer, size);
        if (!larger) {
            status = ENOMEM;
            break;
        }
        buffer = larger;
        status = getpwuid_r(uid, &entry, buffer, size, &found);
    }
    if (status == 0 && found)
        *gid = found->pw_gid;
    free(buffer);
    if (status == ENOMEM || status == EMFILE || status == ENFILE)
        return -status;
    return status == 0 && found;
}

/* The same, at most LOGIN_SECONDS old: the database can be on another machine. */
static int find_login_group(struct router *router, uid_t uid, gid_t *gid)
{
    struct login *login = &router->logins[uid % LOGINS];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&router->login_lock);
    struct login known = *login;
    pthread_mutex_unlock(&router->login_lock);
    if (known.until <= now.tv_sec || known.uid != uid) {
        known = (struct login){.uid = uid, .until = now.tv_sec + LOGIN_SECONDS};
        int status = read_login_group(uid, &known.gid);
        if (status < 0)
            return status;
        known.exists = status;
        pthread_mutex_lock(&router->login_lock);
        *login = known;
        pthread_mutex_unlock(&router->login_lock);
    }
    if (known.exists)
        *gid = known.gid;
    return known.exists;
}

/*
 * The identity that a worker for processes of USER has. Users that no database knows (of
 * containers) have the group that their process has; then the caller must be of that group, too.
 */
static int find_identity(struct router *router, const struct process_user *user, gid_t caller_gid,
                         enum authority authority, struct worker_identity *identity)
{
    *identity = (struct worker_identity){.uid = user->uid, .gid = user->gid};
    int found = find_login_group(router, user->uid, &identity->gid);
    if (found != 0)
        return found < 0 ? found : 0;
    return authority == AUTHORITY_OWN && caller_gid != user->gid ? -EACCES : 0;
}

int router_begin(struct router *router, const struct process_user *user, gid_t caller_gid,
                 enum authority authority, bool outlives_server, struct route *route)
{
    struct worker_identity identity;
    *route = (struct route){.authority = authority, .uid = user->uid};
    if (authority == AUTHORITY_NONE)
        return -EACCES;
    /* A caller of uid 0 without the capability gets what the kernel would give to it: a worker. */
    if (user->uid == router->uid && (authority == AUTHORITY_ADMIN || router->uid != 0)) {
        identity = (struct worker_identity){router->uid, router->gid, true};
        return outlives_server ? workers_get(router->workers, &identity, &route->worker) : 0;
    }
    if (router->uid != 0)
        return -EACCES;
    int status = find_identity(router, user, caller_gid, authority, &identity);
    return status < 0 ? status : workers_get(router->workers, &identity, &route->worker);
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

static int call_once(struct router *router, const struct route *route, struct call *call)
{
    int status = 0;
    if (route->worker)
        status = worker_call(route->worker, call);
    else
        service_call(router->service, call);
    if (status < 0) {
        call->reply = (struct reply){0};
        snprintf(call->reply.sentence.text, sizeof(call->reply.sentence.text),
                 "process %d: its user's worker %s", call->request.pid,
                 status == -ETIMEDOUT ? "did not answer in time: something that this user's "
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
    if (!route->worker || !call->reply.needs_image)
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

int router_call(struct router *router, const struct route *route, struct call *call)
{
    struct lent lent = {router, &call->image};
    int status = call_once(router, route, call);
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
        status = call_once(router, route, call);
    call->open_mapped = NULL;
    call->open_mapped_data = NULL;
    probe_image_done(&call->image);
    return status;
}

/* Has the worker died in the call? Then there is another now. */
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

int router_call_first(struct router *router, struct route *route, struct call *call)
{
    int status = router_call(router, route, call);
    return is_renewed(router, route, status) ? router_call(router, route, call) : status;
}

int router_ask(struct router *router, struct route *route, struct call *call)
{
    int status = call_once(router, route, call);
    return is_renewed(router, route, status) ? call_once(router, route, call) : status;
}
