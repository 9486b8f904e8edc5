/* SPDX-License-Identifier: MIT */
/*
 * Processes are put into groups by user and group, and the workers of all groups are asked at the
 * same time. Whoever lists waits for all answers together. What has not come by then, the pool's
 * thread still receives, and frees with the last of it.
 *
 * A round asks for all that is not known yet. What a worker had no time for it finds out meanwhile,
 * so the next round, or the next listing, gets it.
 */
#include "server/listing.h"

#include "common/log-limit.h"
#include "server/lent-find.h"
#include "server/look-up.h"
#include "server/sweep.h"
#include "shared/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Processes that are asked for in one question: they fit a socket at once. */
enum { SCAN_AT_ONCE = 512 };

/* How long a listing takes, and what is left when another round is not worth it. */
#define LISTING_TIME  (800 * CLOCK_MILLISECOND)
#define ROUND_MINIMUM (150 * CLOCK_MILLISECOND)

struct candidate {
    pid_t pid;
    struct process_user user;
    uint8_t answer; /* an enum scan_answer */
    bool is_silent; /* not asked: it did not answer a moment ago */
    struct probe_image_id id;
};

/* The questions of one round. Two share them: who lists, and the thread that receives answers. */
struct scans {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    unsigned int open; /* guarded by lock, and so is what follows */
    bool is_left;      /* who lists has gone: the last answer frees it */
    struct scan *list;
};

/* One question: for processes of one user and group. */
struct scan {
    struct call call;
    struct scans *scans;
    struct process_user user;
    struct route route;
    struct scan_entry entries[SCAN_AT_ONCE];
    size_t candidates[SCAN_AT_ONCE]; /* which of the listing's they are */
    size_t count;
    bool is_answered; /* guarded by the lock of `scans` */
    struct scan *next;
};

struct listing {
    struct server *server;
    const struct caller *caller;
    bool is_admin;
    struct timespec end;
    uint64_t number; /* for the workers; 0 once they were asked for all */
    struct candidate *candidates;
    size_t count, room;
};

/* ---- candidates ------------------------------------------------------------------------- */

static bool may_look(const struct listing *listing, const struct process_user *user)
{
    return listing->is_admin ||
           (user->uid == listing->caller->uid && user->gid == listing->caller->gid);
}

/* What is silent is not waited for again in everybody's listing; but for the next, it is asked. */
static bool is_silent(struct server *server, pid_t pid, const struct process_user *user)
{
    struct target *target = inodes_find_target(&server->inodes, pid);
    if (!target)
        return false;
    bool silent = silence_is_on(&target->silence);
    if (silent)
        look_up_again(server, target, user);
    inodes_put_target(&server->inodes, target);
    return silent;
}

static int add_candidate(struct listing *listing, pid_t pid)
{
    struct process_user user;
    int process = process_open(pid);
    int status = process == -ENOENT ? process : process_find_user(pid, process, &user);
    if (process >= 0)
        close(process);
    if (status == -ENOENT || (status == 0 && !may_look(listing, &user)))
        return 0;
    if (status == 0)
        status = ARRAY_RESERVE(listing->candidates, listing->room, listing->count + 1);
    if (status == 0)
        listing->candidates[listing->count++] = (struct candidate){
            .pid = pid, .user = user, .is_silent = is_silent(listing->server, pid, &user)};
    return status;
}

/* Those of one worker stand together. */
static int compare_users(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    if (x->user.uid != y->user.uid)
        return x->user.uid < y->user.uid ? -1 : 1;
    if (x->user.gid != y->user.gid)
        return x->user.gid < y->user.gid ? -1 : 1;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int find_candidates(struct listing *listing)
{
    pid_t *pids = NULL;
    size_t count = 0;
    int status = process_list(&pids, &count);
    if (status == 0)
        sweep_note_processes(&listing->server->inodes, pids, count);
    for (size_t i = 0; i < count && status == 0; i++)
        status = add_candidate(listing, pids[i]);
    free(pids);
    if (listing->count > 0)
        qsort(listing->candidates, listing->count, sizeof(*listing->candidates), compare_users);
    return status;
}

/* ---- questions -------------------------------------------------------------------------- */

static struct scans *scans_new(void)
{
    struct scans *scans = calloc(1, sizeof(*scans));
    if (!scans)
        return NULL;
    pthread_mutex_init(&scans->lock, NULL);
    pthread_cond_init(&scans->answered, NULL);
    return scans;
}

static void scans_free(struct scans *scans)
{
    while (scans->list) {
        struct scan *scan = scans->list;
        scans->list = scan->next;
        free(scan->call.out);
        free(scan);
    }
    pthread_cond_destroy(&scans->answered);
    pthread_mutex_destroy(&scans->lock);
    free(scans);
}

static void take_answer(struct call *call, int status, void *data)
{
    struct scan *scan = data;
    struct scans *scans = scan->scans;
    pthread_mutex_lock(&scans->lock);
    scan->is_answered = status == 0 && call->reply.error == 0;
    scans->open--;
    bool is_last = scans->open == 0 && scans->is_left;
    pthread_cond_signal(&scans->answered);
    pthread_mutex_unlock(&scans->lock);
    if (is_last)
        scans_free(scans);
}

static void find_route(const struct listing *listing, const struct process_user *user,
                       struct route *route)
{
    enum authority authority = listing->is_admin ? AUTHORITY_ADMIN : AUTHORITY_OWN;
    if (router_find(listing->server->router, user, authority, NULL, route) < 0)
        route->authority = AUTHORITY_NONE;
}

/* Adds the candidate INDEX to the first question, or to a new one where that is of others. */
static int scans_add(struct scans *scans, const struct listing *listing, size_t index)
{
    const struct candidate *candidate = &listing->candidates[index];
    struct scan *scan = scans->list;
    if (!scan || scan->count == SCAN_AT_ONCE || scan->user.uid != candidate->user.uid ||
        scan->user.gid != candidate->user.gid) {
        scan = calloc(1, sizeof(*scan));
        if (!scan)
            return -ENOMEM;
        scan->call = CALL_INIT;
        scan->call.request.operation = OPERATION_SCAN;
        scan->scans = scans;
        scan->user = candidate->user;
        find_route(listing, &scan->user, &scan->route);
        scan->next = scans->list;
        scans->list = scan;
        scans->open++;
    }
    scan->candidates[scan->count] = index;
    scan->entries[scan->count++].pid = candidate->pid;
    return 0;
}

static bool have_same_worker(const struct scan *a, const struct scan *b)
{
    return memcmp(&a->route.identity, &b->route.identity, sizeof(a->route.identity)) == 0;
}

/*
 * Says in all questions how many processes their worker is asked for. Those of one worker stand
 * together.
 */
static void scans_number(struct scans *scans, uint64_t number)
{
    struct scan *end = NULL;
    for (struct scan *first = scans->list; first; first = end) {
        uint64_t size = 0;
        for (end = first; end && have_same_worker(end, first); end = end->next)
            size += end->count;
        for (struct scan *scan = first; scan != end; scan = scan->next) {
            scan->call.request.listing = number;
            scan->call.request.listing_size = size;
        }
    }
}

/* Sends a question; where it cannot be sent in time, it has no answer. */
static void scan_send(const struct listing *listing, struct scan *scan)
{
    struct router *router = listing->server->router;
    int status = -EACCES;
    scan->call.in = (const char *)scan->entries;
    scan->call.in_length = scan->count * sizeof(*scan->entries);
    if (scan->route.authority != AUTHORITY_NONE && !clock_is_past(&listing->end))
        status = router_ask_question(router, &scan->route, &scan->call, 0, take_answer, scan);
    if (status != -EINPROGRESS)
        take_answer(&scan->call, status, scan);
}

/* Takes over what a worker says of the processes it was asked for, and nothing else. */
static void scan_take(struct listing *listing, const struct scan *scan)
{
    const struct call *call = &scan->call;
    if (call->out_length != scan->count * sizeof(*scan->entries))
        return;
    for (size_t i = 0; i < scan->count; i++) {
        struct candidate *candidate = &listing->candidates[scan->candidates[i]];
        struct scan_entry answer;
        memcpy(&answer, call->out + i * sizeof(answer), sizeof(answer));
        if (answer.pid != candidate->pid || answer.answer >= SCAN_ANSWERS)
            continue;
        candidate->answer = answer.answer;
        candidate->id = answer.id;
    }
}

/* Waits for the answers, takes those that came, and leaves the others to come. */
static void scans_take(struct listing *listing, struct scans *scans)
{
    pthread_mutex_lock(&scans->lock);
    int status = 0;
    while (scans->open > 0 && status == 0)
        status =
            pthread_cond_clockwait(&scans->answered, &scans->lock, CLOCK_MONOTONIC, &listing->end);
    for (const struct scan *scan = scans->list; scan; scan = scan->next) {
        if (scan->is_answered)
            scan_take(listing, scan);
    }
    scans->is_left = true;
    bool is_last = scans->open == 0;
    pthread_mutex_unlock(&scans->lock);
    if (is_last)
        scans_free(scans);
}

/* ---- rounds ----------------------------------------------------------------------------- */

static size_t count_unknown(const struct listing *listing)
{
    size_t count = 0;
    for (size_t i = 0; i < listing->count; i++)
        count += !listing->candidates[i].is_silent && listing->candidates[i].answer == SCAN_UNKNOWN;
    return count;
}

/* Asks all users' workers for what is not known yet, at the same time. */
static int ask_all(struct listing *listing)
{
    struct scans *scans = scans_new();
    int status = scans ? 0 : -ENOMEM;
    for (size_t i = 0; i < listing->count && status == 0; i++) {
        const struct candidate *candidate = &listing->candidates[i];
        if (!candidate->is_silent && candidate->answer == SCAN_UNKNOWN)
            status = scans_add(scans, listing, i);
    }
    if (status < 0) {
        if (scans)
            scans_free(scans);
        return status;
    }
    if (listing->number != 0)
        scans_number(scans, listing->number);
    struct scan *next = NULL;
    for (struct scan *scan = scans->list; scan; scan = next) {
        next = scan->next; /* it stays: the questions are freed together, after this */
        scan_send(listing, scan);
    }
    scans_take(listing, scans);
    return 0;
}

static bool is_left_open(int status)
{
    return status == -EINPROGRESS || status == -ETIMEDOUT || status == -EIO || status == -EMFILE ||
           status == -ENFILE || status == -EAGAIN || status == -ENOMEM;
}

static void take_lent(struct listing *listing, const struct lent_find *finds, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < listing->count && at < count; i++) {
        struct candidate *candidate = &listing->candidates[i];
        if (candidate->answer != SCAN_NEEDS_IMAGE)
            continue;
        const struct lent_find *find = &finds[at++];
        candidate->id = find->id;
        candidate->answer = find->status == 0            ? SCAN_HAS_PROBES
                            : is_left_open(find->status) ? SCAN_UNKNOWN
                                                         : SCAN_HAS_NONE;
    }
}

/* What a user's own authority does not reach, root's does: each is asked for by itself. */
static int find_with_images(struct listing *listing)
{
    struct lent_find *finds = NULL;
    size_t count = 0;
    size_t room = 0;
    int status = 0;
    for (size_t i = 0; i < listing->count && status == 0; i++) {
        const struct candidate *candidate = &listing->candidates[i];
        if (candidate->answer != SCAN_NEEDS_IMAGE)
            continue;
        status = ARRAY_RESERVE(finds, room, count + 1);
        if (status < 0)
            continue;
        finds[count] = (struct lent_find){.pid = candidate->pid, .listed = true};
        find_route(listing, &candidate->user, &finds[count++].route);
    }
    if (status == 0)
        status = lent_finds_make(listing->server->router, finds, count, &listing->end);
    if (status == 0)
        take_lent(listing, finds, count);
    free(finds);
    return status;
}

static int find_answers(struct listing *listing)
{
    size_t unknown = count_unknown(listing);
    for (size_t before = SIZE_MAX; unknown > 0 && unknown < before;) {
        int status = ask_all(listing);
        if (status < 0)
            return status;
        listing->number = 0;
        before = unknown;
        unknown = clock_left(&listing->end) > ROUND_MINIMUM ? count_unknown(listing) : 0;
    }
    return listing->is_admin ? find_with_images(listing) : 0;
}

/* ---- the result ------------------------------------------------------------------------- */

static bool is_listed(const struct candidate *candidate)
{
    static const struct log_reason by_name = {.most = 1};
    if (candidate->answer == SCAN_HAS_PROBES)
        return true;
    if (candidate->answer != SCAN_UNKNOWN || !process_has_memory(candidate->pid))
        return false;
    log_limited(candidate->user.uid, &by_name, PROBE_LOG_WARNING,
                "process %d of user %u is listed without knowing whether it has probes: it did not "
                "answer in time",
                candidate->pid, candidate->user.uid);
    return true;
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
    struct listed_process *processes = calloc(listing->count + 1, sizeof(*processes));
    if (!processes)
        return -ENOMEM;
    for (size_t i = 0; i < listing->count; i++) {
        const struct candidate *candidate = &listing->candidates[i];
        if (is_listed(candidate))
            processes[count++] = (struct listed_process){
                candidate->pid, candidate->answer == SCAN_HAS_PROBES, candidate->id};
    }
    qsort(processes, count, sizeof(*processes), compare_processes);
    *result = processes;
    *result_count = count;
    return 0;
}

int listing_read(struct server *server, const struct caller *caller,
                 struct listed_process **processes, size_t *count)
{
    struct listing listing = {.server = server,
                              .caller = caller,
                              .end = clock_after(LISTING_TIME),
                              .number = atomic_fetch_add(&server->last_listing, 1) + 1};
    listing.is_admin = caller_is_admin(caller);
    int status = caller->pid != 0 ? find_candidates(&listing) : 0;
    if (status == 0)
        status = find_answers(&listing);
    if (status == 0)
        status = collect(&listing, processes, count);
    free(listing.candidates);
    return status;
}
