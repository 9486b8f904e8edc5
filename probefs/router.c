/* SPDX-License-Identifier: MIT */
#include "router.h"

#include "service.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Processes asked for in one call: few enough to be answered in the time that a call has. */
enum { SCAN_AT_ONCE = 128, SCAN_SECONDS = 3, SCANNERS_MAX = 16 };

/* A listing is shared out to threads in pieces of this many processes. */
enum { GROUP_MAX = 512, IDENTIFY_AT_ONCE = 64 };

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

/* A user of the database has the group of the database; it is what a login would give. */
static bool read_login_group(uid_t uid, gid_t *gid)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char *buffer = NULL;
    int status = ERANGE;
    for (size_t size = 1024; status == ERANGE && size <= PASSWD_SIZE_MAX; size *= 4) {
        char *larger = realloc(buffer, size);
        if (!larger)
            break;
        buffer = larger;
        status = getpwuid_r(uid, &entry, buffer, size, &found);
    }
    if (status == 0 && found)
        *gid = found->pw_gid;
    free(buffer);
    return status == 0 && found;
}

/* The same, at most LOGIN_SECONDS old: the database can be on another machine. */
static bool find_login_group(struct router *router, uid_t uid, gid_t *gid)
{
    struct login *login = &router->logins[uid % LOGINS];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&router->login_lock);
    struct login known = *login;
    pthread_mutex_unlock(&router->login_lock);
    if (known.until <= now.tv_sec || known.uid != uid) {
        known = (struct login){.uid = uid, .until = now.tv_sec + LOGIN_SECONDS};
        known.exists = read_login_group(uid, &known.gid);
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
    if (find_login_group(router, user->uid, &identity->gid))
        return 0;
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

int router_renew(struct router *router, struct route *route)
{
    struct worker *worker = NULL;
    int status = workers_get(router->workers, worker_identity(route->worker), &worker);
    if (status < 0)
        return status;
    worker_put(route->worker);
    route->worker = worker;
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
    return status == -EIO && router_is_broken(route) && router_renew(router, route) == 0;
}

int router_call_first(struct router *router, struct route *route, struct call *call)
{
    int status = router_call(router, route, call);
    return is_renewed(router, route, status) ? router_call(router, route, call) : status;
}

/* ---- listing ---------------------------------------------------------------------------- */

/* Processes of one user, some of them where there are many. */
struct group {
    struct router *router;
    struct process_user user;
    gid_t caller_gid;
    enum authority authority;
    struct scan_entry *entries;
    size_t count, room;
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

/*
 * Takes over what a service says of the entries it was asked for, and nothing else. Returns how
 * many it answered; it may have had no time for all.
 */
static size_t take_answers(struct scan_entry *entries, size_t count, const struct call *call)
{
    size_t answered = call->out_length / sizeof(*entries);
    answered = answered < count ? answered : count;
    for (size_t i = 0; i < answered; i++) {
        struct scan_entry answer;
        memcpy(&answer, call->out + i * sizeof(answer), sizeof(answer));
        entries[i].has_probes = answer.has_probes;
        entries[i].needs_image = answer.needs_image;
    }
    return answered;
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

/* Asks for the next entries from FIRST on; returns how many were answered, or an error. */
static ssize_t scan_some(struct group *group, struct route *route, size_t first)
{
    struct scan_entry *entries = &group->entries[first];
    size_t left = group->count - first;
    size_t count = left < SCAN_AT_ONCE ? left : SCAN_AT_ONCE;
    struct call call = CALL_INIT;
    call.request.operation = OPERATION_SCAN;
    call.in = (const char *)entries;
    call.in_length = count * sizeof(*entries);
    int status = call_once(group->router, route, &call);
    if (is_renewed(group->router, route, status))
        status = call_once(group->router, route, &call);
    size_t answered = status == 0 ? take_answers(entries, count, &call) : 0;
    free(call.out);
    for (size_t i = 0; i < answered; i++) {
        if (entries[i].needs_image && group->authority == AUTHORITY_ADMIN)
            find_with_image(group->router, route, &entries[i]);
    }
    return status < 0 ? status : answered > 0 ? (ssize_t)answered : -EIO;
}

/* One user's many processes must not keep the listing from its end. */
static void scan_group(struct group *group)
{
    struct route route;
    struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    now = start;
    ssize_t answered = router_begin(group->router, &group->user, group->caller_gid,
                                    group->authority, false, &route);
    for (size_t i = 0; i < group->count && answered >= 0; i += (size_t)answered) {
        if (route.worker && now.tv_sec - start.tv_sec >= SCAN_SECONDS) {
            log_message(PROBE_LOG_WARNING,
                        "a listing leaves out some processes of user %u: its "
                        "worker takes too long",
                        group->user.uid);
            break;
        }
        answered = scan_some(group, &route, i);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    router_end(&route);
}

/* A process that may be listed. */
struct candidate {
    pid_t pid;
    int status; /* 0, or why it may not */
    struct process_user user;
    struct probe_image_id id;
};

/* The processes that a caller may look into, by user. */
struct listing {
    struct router *router;
    const struct caller *caller;
    bool admin;
    struct candidate *candidates;
    size_t candidate_count;
    struct group *groups;
    size_t count;
    atomic_size_t next; /* the candidate, then the group, that no thread has taken yet */
};

static struct group *find_group(struct listing *listing, const struct process_user *user)
{
    for (size_t i = 0; i < listing->count; i++) {
        struct group *group = &listing->groups[i];
        if (group->user.uid == user->uid && group->user.gid == user->gid &&
            group->count < GROUP_MAX)
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

/* As process_find_user(), and faster where the kernel can say. */
static int find_user(pid_t pid, struct process_user *user)
{
    int process = process_open(pid);
    int status = process < 0 ? -ENOTTY : process_ask_user(process, user);
    if (process >= 0)
        close(process);
    return status == -ENOTTY ? process_find_user(pid, user) : status;
}

static void identify(const struct listing *listing, struct candidate *candidate)
{
    candidate->status = find_user(candidate->pid, &candidate->user);
    if (candidate->status == 0 && !listing->admin && candidate->user.uid != listing->caller->uid)
        candidate->status = -ENOENT;
    if (candidate->status == 0 &&
        router_identify(listing->router, candidate->pid, &candidate->id) < 0)
        candidate->status = -ENOENT;
}

/* A thread that identifies some candidates after the other, until none is left. */
static void *identify_next(void *data)
{
    struct listing *listing = data;
    for (;;) {
        size_t first = atomic_fetch_add(&listing->next, IDENTIFY_AT_ONCE);
        if (first >= listing->candidate_count)
            return NULL;
        for (size_t i = first; i < first + IDENTIFY_AT_ONCE && i < listing->candidate_count; i++)
            identify(listing, &listing->candidates[i]);
    }
}

/* A thread that scans one group after the other, until none is left. */
static void *scan_next_groups(void *data)
{
    struct listing *listing = data;
    for (;;) {
        size_t next = atomic_fetch_add(&listing->next, 1);
        if (next >= listing->count)
            return NULL;
        scan_group(&listing->groups[next]);
    }
}

/* Runs WORK in as many as COUNT threads, of which this is one. */
static void share_out(struct listing *listing, void *(*work)(void *), size_t count)
{
    pthread_t threads[SCANNERS_MAX];
    size_t started = 0;
    atomic_store(&listing->next, 0);
    while (started + 1 < count && started < SCANNERS_MAX &&
           pthread_create(&threads[started], NULL, work, listing) == 0)
        started++;
    work(listing);
    while (started > 0)
        pthread_join(threads[--started], NULL);
}

/* More threads than processors would not identify faster: nothing is waited for. */
static size_t count_identifiers(const struct listing *listing)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t pieces = listing->candidate_count / IDENTIFY_AT_ONCE;
    return processors > 0 && (size_t)processors < pieces ? (size_t)processors : pieces;
}

/* Finds all processes that the caller may look into, and puts them into groups. */
static int find_candidates(struct listing *listing)
{
    pid_t *pids = NULL;
    size_t count = 0;
    int status = process_list(&pids, &count);
    if (status < 0)
        return status;
    listing->candidates = calloc(count + 1, sizeof(*listing->candidates));
    listing->candidate_count = listing->candidates ? count : 0;
    for (size_t i = 0; i < listing->candidate_count; i++)
        listing->candidates[i].pid = pids[i];
    free(pids);
    if (!listing->candidates)
        return -ENOMEM;
    share_out(listing, identify_next, count_identifiers(listing));
    for (size_t i = 0; i < count && status == 0; i++) {
        const struct candidate *candidate = &listing->candidates[i];
        status = candidate->status == -ENOENT ? 0 : candidate->status;
        if (candidate->status < 0)
            continue;
        struct group *group = find_group(listing, &candidate->user);
        status = group ? group_add(group, candidate->pid, &candidate->id) : -ENOMEM;
    }
    return status;
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
    listing.admin = caller_is_admin(caller);
    int status = caller->pid != 0 ? find_candidates(&listing) : 0;
    if (status == 0) {
        /* All users' services at the same time. */
        share_out(&listing, scan_next_groups, listing.count);
        status = collect(&listing, processes, count);
    }
    free(listing.candidates);
    for (size_t i = 0; i < listing.count; i++)
        free(listing.groups[i].entries);
    free(listing.groups);
    return status;
}
