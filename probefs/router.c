/* SPDX-License-Identifier: MIT */
#include "router.h"

#include "service.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Processes asked for in one call: few enough to be answered in the time that a call has. */
enum { SCAN_AT_ONCE = 128 };

struct router {
    struct probe_engine *engine; /* for identities, and images for workers */
    struct service *service;
    struct workers *workers;
    uid_t uid; /* the server's */
};

int router_new(const struct workers_options *options, struct router **result)
{
    struct router *router = calloc(1, sizeof(*router));
    if (!router)
        return -ENOMEM;
    router->uid = geteuid();
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
    free(router);
}

int router_identify(struct router *router, pid_t pid, struct probe_image_id *id)
{
    return probe_image_identify(router->engine, pid, id);
}

/* ---- routes ----------------------------------------------------------------------------- */

/* A user of the database has the group of the database; it is what a login would give. */
static bool find_login_group(uid_t uid, gid_t *gid)
{
    char buffer[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
        return false;
    *gid = found->pw_gid;
    return true;
}

/*
 * The identity that a worker for processes of USER has. Users that no database knows (of
 * containers) have the group that their process has; then the caller must be of that group, too.
 */
static int find_identity(const struct process_user *user, gid_t caller_gid,
                         enum authority authority, struct worker_identity *identity)
{
    *identity = (struct worker_identity){.uid = user->uid, .gid = user->gid};
    if (find_login_group(user->uid, &identity->gid))
        return 0;
    return authority == AUTHORITY_OWN && caller_gid != user->gid ? -EACCES : 0;
}

int router_begin(struct router *router, const struct process_user *user, gid_t caller_gid,
                 enum authority authority, bool outlives_server, struct route *route)
{
    struct worker_identity identity;
    *route = (struct route){.authority = authority};
    if (authority == AUTHORITY_NONE)
        return -EACCES;
    /* A caller of uid 0 without the capability gets what the kernel would give to it: a worker. */
    if (user->uid == router->uid && (authority == AUTHORITY_ADMIN || router->uid != 0)) {
        identity = (struct worker_identity){router->uid, getegid(), true};
        return outlives_server ? workers_get(router->workers, &identity, &route->worker) : 0;
    }
    if (router->uid != 0)
        return -EACCES;
    int status = find_identity(user, caller_gid, authority, &identity);
    return status < 0 ? status : workers_get(router->workers, &identity, &route->worker);
}

void router_end(struct route *route)
{
    if (route->worker)
        worker_put(route->worker);
    route->worker = NULL;
}

/* ---- calls ------------------------------------------------------------------------------ */

static int call_once(struct router *router, const struct route *route, struct call *call)
{
    if (!route->worker) {
        service_call(router->service, call);
        return -call->reply.error;
    }
    int status = worker_call(route->worker, call);
    if (status < 0) {
        call->reply = (struct reply){0};
        snprintf(call->reply.sentence.text, sizeof(call->reply.sentence.text),
                 "process %d: its user's worker %s", call->request.pid,
                 status == -ETIMEDOUT ? "did not answer in time: something that this user's "
                                        "processes have mapped hangs"
                                      : "has ended: open the file again");
        return status;
    }
    return -call->reply.error;
}

/*
 * May the server open the image with what the worker needs? For administrators yes, where the
 * user's own authority does not reach. For the user themselves, only for reading, and only where
 * they may see its mappings: that is what Yama forbids, and reading shows no more than maps do.
 */
static bool may_lend(const struct route *route, const struct reply *reply)
{
    if (!route->worker || !reply->needs_image || reply->needs > PROBE_WRITE)
        return false;
    return route->authority == AUTHORITY_ADMIN ||
           (route->authority == AUTHORITY_OWN && reply->sees_maps && reply->needs == PROBE_READ);
}

/* Opens the image of the call, and no other, for the service to use once. */
static int lend(struct router *router, struct call *call)
{
    struct probe_image image;
    int status = probe_image_open_for(router->engine, call->request.pid, call->reply.needs, &image,
                                      &call->reply.sentence);
    if (status < 0)
        return status;
    if (!probe_image_id_equal(&image.id, &call->request.id)) {
        probe_image_done(&image);
        return -ESRCH;
    }
    call->image = image;
    return 0;
}

int router_call(struct router *router, const struct route *route, struct call *call)
{
    int status = call_once(router, route, call);
    if (status == 0 || !may_lend(route, &call->reply))
        return status;
    free(call->out);
    call->out = NULL;
    call->out_length = 0;
    status = lend(router, call);
    if (status == 0)
        status = call_once(router, route, call);
    probe_image_done(&call->image);
    return status;
}

/* ---- listing ---------------------------------------------------------------------------- */

/* The processes of one user, and the thread that asks for them. */
struct group {
    struct router *router;
    struct process_user user;
    gid_t caller_gid;
    enum authority authority;
    struct scan_entry *entries;
    size_t count, room;
    pthread_t thread;
    bool started;
};

static int group_add(struct group *group, pid_t pid, const struct probe_image_id *id)
{
    if (group->count == group->room) {
        size_t room = group->room ? group->room * 2 : 64;
        struct scan_entry *entries = reallocarray(group->entries, room, sizeof(*entries));
        if (!entries)
            return -ENOMEM;
        group->entries = entries;
        group->room = room;
    }
    struct scan_entry *entry = &group->entries[group->count++];
    memset(entry, 0, sizeof(*entry)); /* it crosses a socket as it is */
    entry->pid = pid;
    entry->id = *id;
    return 0;
}

/* Takes over what a service says of the entries it was asked for, and nothing else. */
static void take_answers(struct scan_entry *entries, size_t count, const struct call *call)
{
    if (call->out_length != count * sizeof(*entries))
        return;
    for (size_t i = 0; i < count; i++) {
        struct scan_entry answer;
        memcpy(&answer, call->out + i * sizeof(answer), sizeof(answer));
        entries[i].has_probes = answer.has_probes;
        entries[i].needs_image = answer.needs_image;
    }
}

static void find_with_image(struct router *router, const struct route *route,
                            struct scan_entry *entry)
{
    struct call call = CALL_INIT;
    call.request.operation = OPERATION_FIND;
    call.request.pid = entry->pid;
    call.request.id = entry->id;
    entry->has_probes = router_call(router, route, &call) == 0;
    free(call.out);
}

static void *scan_group(void *data)
{
    struct group *group = data;
    struct route route;
    int status = router_begin(group->router, &group->user, group->caller_gid, group->authority,
                              false, &route);
    for (size_t i = 0; i < group->count && status == 0; i += SCAN_AT_ONCE) {
        size_t left = group->count - i;
        size_t count = left < SCAN_AT_ONCE ? left : SCAN_AT_ONCE;
        struct call call = CALL_INIT;
        call.request.operation = OPERATION_SCAN;
        call.in = (const char *)&group->entries[i];
        call.in_length = count * sizeof(struct scan_entry);
        status = call_once(group->router, &route, &call);
        if (status == 0)
            take_answers(&group->entries[i], count, &call);
        free(call.out);
        for (size_t e = i; e < i + count && status == 0; e++) {
            if (group->entries[e].needs_image && group->authority == AUTHORITY_ADMIN)
                find_with_image(group->router, &route, &group->entries[e]);
        }
    }
    router_end(&route);
    return NULL;
}

/* The processes that a caller may look into, by user. */
struct listing {
    struct router *router;
    const struct caller *caller;
    bool admin;
    struct group *groups;
    size_t count;
};

static struct group *find_group(struct listing *listing, const struct process_user *user)
{
    for (size_t i = 0; i < listing->count; i++) {
        struct group *group = &listing->groups[i];
        if (group->user.uid == user->uid && group->user.gid == user->gid)
            return group;
    }
    struct group *groups =
        reallocarray(listing->groups, listing->count + 1, sizeof(*listing->groups));
    if (!groups)
        return NULL;
    listing->groups = groups;
    groups[listing->count] = (struct group){
        .router = listing->router,
        .user = *user,
        .caller_gid = listing->caller->gid,
        .authority = listing->admin ? AUTHORITY_ADMIN : AUTHORITY_OWN,
    };
    return &groups[listing->count++];
}

static int add_process(struct listing *listing, pid_t pid)
{
    struct process_user user;
    struct probe_image_id id;
    int status = process_find_user(pid, &user);
    if (status == -ENOENT || (status == 0 && !listing->admin && user.uid != listing->caller->uid))
        return 0;
    if (status < 0)
        return status;
    if (router_identify(listing->router, pid, &id) < 0)
        return 0;
    struct group *group = find_group(listing, &user);
    return group ? group_add(group, pid, &id) : -ENOMEM;
}

/* Asks all services at the same time. */
static void scan_groups(struct listing *listing)
{
    for (size_t i = 1; i < listing->count; i++)
        listing->groups[i].started =
            pthread_create(&listing->groups[i].thread, NULL, scan_group, &listing->groups[i]) == 0;
    for (size_t i = 0; i < listing->count; i++) {
        if (listing->groups[i].started)
            pthread_join(listing->groups[i].thread, NULL);
        else
            scan_group(&listing->groups[i]);
    }
}

static int compare_processes(const void *a, const void *b)
{
    const struct router_process *x = a;
    const struct router_process *y = b;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int collect(const struct listing *listing, struct router_process **result,
                   size_t *result_count)
{
    size_t count = 0;
    for (size_t g = 0; g < listing->count; g++)
        count += listing->groups[g].count;
    struct router_process *processes = calloc(count + 1, sizeof(*processes));
    if (!processes)
        return -ENOMEM;
    count = 0;
    for (size_t g = 0; g < listing->count; g++) {
        for (size_t i = 0; i < listing->groups[g].count; i++) {
            const struct scan_entry *entry = &listing->groups[g].entries[i];
            if (entry->has_probes)
                processes[count++] = (struct router_process){entry->pid, entry->id};
        }
    }
    qsort(processes, count, sizeof(*processes), compare_processes);
    *result = processes;
    *result_count = count;
    return 0;
}

int router_list(struct router *router, const struct caller *caller,
                struct router_process **processes, size_t *count)
{
    struct listing listing = {.router = router, .caller = caller};
    pid_t *pids = NULL;
    size_t pid_count = 0;
    listing.admin = caller_is_admin(caller);
    int status = process_list(&pids, &pid_count);
    for (size_t i = 0; i < pid_count && status == 0 && caller->pid != 0; i++)
        status = add_process(&listing, pids[i]);
    free(pids);
    if (status == 0) {
        scan_groups(&listing);
        status = collect(&listing, processes, count);
    }
    for (size_t i = 0; i < listing.count; i++)
        free(listing.groups[i].entries);
    free(listing.groups);
    return status;
}
