/* SPDX-License-Identifier: MIT */
/*
 * All processes with probes: they are identified by some threads, put into groups by their users,
 * and each group is asked of its user's service, those of all users at the same time.
 */
#include "server/listing.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Processes asked for in one call: few enough to be answered in the time that a call has. */
enum { SCAN_AT_ONCE = 128, SCAN_SECONDS = 3, SCANNERS_MAX = 16 };

/* A listing is shared out to threads in pieces of this many processes. */
enum { GROUP_MAX = 512, IDENTIFY_AT_ONCE = 64 };

/* Processes of one user, some of them where there are many. */
struct group {
    struct router *router;
    struct process_user user;
    enum authority authority;
    struct scan_entry *entries;
    size_t count, room;
    size_t first;        /* the first group of that uid, where it stands: */
    atomic_bool is_slow; /* its worker does not answer, or not in time: it is not asked again */
    int status;          /* ENOMEM: it could not be asked for */
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

static int find_with_image(struct router *router, const struct route *route,
                           struct scan_entry *entry)
{
    struct call call = CALL_INIT;
    call.request.operation = OPERATION_FIND;
    call.request.pid = entry->pid;
    call.request.id = entry->id;
    call.request.listed = true;
    int status = router_call(router, route, &call);
    entry->has_probes = status == 0;
    free(call.out);
    return status;
}

static bool is_past(const struct timespec *end)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

/*
 * Asks for the next entries from FIRST on, and until END for those of them that need an image;
 * returns how many were answered, or an error.
 */
static ssize_t scan_some(struct group *group, const struct route *route, size_t first,
                         const struct timespec *end)
{
    struct scan_entry *entries = &group->entries[first];
    size_t left = group->count - first;
    size_t count = left < SCAN_AT_ONCE ? left : SCAN_AT_ONCE;
    struct call call = CALL_INIT;
    call.request.operation = OPERATION_SCAN;
    call.in = (const char *)entries;
    call.in_length = count * sizeof(*entries);
    int status = router_ask(group->router, route, &call);
    size_t answered = status == 0 ? take_answers(entries, count, &call) : 0;
    free(call.out);
    /* A worker that has no memory is its user's own business: see scan_group(). */
    if (status == -ENOMEM && group->authority == AUTHORITY_ADMIN && call.reply.error != 0)
        status = -EIO;
    for (size_t i = 0; i < answered; i++) {
        if (!entries[i].needs_image || group->authority != AUTHORITY_ADMIN)
            continue;
        if (find_with_image(group->router, route, &entries[i]) == -ETIMEDOUT || is_past(end))
            return -ETIMEDOUT;
    }
    return status < 0 ? status : answered > 0 ? (ssize_t)answered : -EIO;
}

/*
 * One user's many processes must not keep the listing from its end, nor a worker that has trouble;
 * what the server itself has no memory for is not left out.
 */
static void scan_group(struct group *group, atomic_bool *is_slow)
{
    struct route route;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += SCAN_SECONDS;
    ssize_t answered = router_find(group->router, &group->user, group->authority, &route);
    for (size_t i = 0; i < group->count && answered >= 0 && !atomic_load(is_slow);
         i += (size_t)answered) {
        if (is_past(&end)) {
            log_message(PROBE_LOG_WARNING,
                        "a listing leaves out some processes of user %u: its "
                        "worker takes too long",
                        group->user.uid);
            answered = -ETIMEDOUT;
            break;
        }
        answered = scan_some(group, &route, i, &end);
    }
    if (answered == -ETIMEDOUT)
        atomic_store(is_slow, true);
    group->status = answered == -ENOMEM ? -ENOMEM : 0;
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
    size_t first = listing->count;
    for (size_t i = 0; i < listing->count; i++) {
        struct group *group = &listing->groups[i];
        if (group->user.uid == user->uid && i < first)
            first = i;
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
        .authority = listing->admin ? AUTHORITY_ADMIN : AUTHORITY_OWN,
        .first = first,
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
    if (candidate->status == 0 && !listing->admin &&
        (candidate->user.uid != listing->caller->uid ||
         candidate->user.gid != listing->caller->gid))
        candidate->status = -ENOENT;
    if (candidate->status < 0)
        return;
    int status = router_identify(listing->router, candidate->pid, &candidate->id);
    if (status < 0)
        candidate->status = status == -ENOMEM ? status : -ENOENT;
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
        struct group *group = &listing->groups[next];
        atomic_bool *is_slow = &listing->groups[group->first].is_slow;
        if (!atomic_load(is_slow))
            scan_group(group, is_slow);
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
    const struct listed_process *x = a;
    const struct listed_process *y = b;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int collect(const struct listing *listing, struct listed_process **result,
                   size_t *result_count)
{
    size_t count = 0;
    for (size_t g = 0; g < listing->count; g++) {
        if (listing->groups[g].status < 0)
            return listing->groups[g].status;
        count += listing->groups[g].count;
    }
    struct listed_process *processes = calloc(count + 1, sizeof(*processes));
    if (!processes)
        return -ENOMEM;
    count = 0;
    for (size_t g = 0; g < listing->count; g++) {
        for (size_t i = 0; i < listing->groups[g].count; i++) {
            const struct scan_entry *entry = &listing->groups[g].entries[i];
            if (entry->has_probes)
                processes[count++] = (struct listed_process){entry->pid, entry->id};
        }
    }
    qsort(processes, count, sizeof(*processes), compare_processes);
    *result = processes;
    *result_count = count;
    return 0;
}

int listing_read(struct router *router, const struct caller *caller,
                 struct listed_process **processes, size_t *count)
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
