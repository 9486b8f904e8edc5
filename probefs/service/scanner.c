/* SPDX-License-Identifier: MIT */
#include "service/scanner.h"

#include "common/heap.h"
#include "common/log.h"
#include "shared/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include <uthash.h>
#include <utlist.h>

/* How many threads look at a time, and how many there may be with those that are stuck. */
enum { LOOKING = 2, LOOKERS_MAX = 32 };

/* A look that takes so long, in milliseconds, is stuck: another thread goes on behind it. */
enum { STUCK_MILLISECONDS = 50 };

/* No look waits longer, in milliseconds, for an object that takes long to read: no scan does. */
enum { LOOK_MILLISECONDS = 400 };

/* How often whoever waits looks for stuck threads. */
enum { CHECK_MILLISECONDS = 20 };

enum { STACK_SIZE = 1 << 20 };

/* A process that is to be looked at. */
struct scan_job {
    pid_t pid;
    unsigned int scans;      /* that wait for it */
    uint64_t wanted, looked; /* the latest scan that asked, and that a look answered */
    uint64_t looking;        /* the latest one that the look under way began after; 0: none is */
    bool queued;
    struct scan_entry answer;
    struct timespec started;
    struct scan_job *prev, *next; /* in the queue */
    UT_hash_handle hh;
};

/* The listing whose scans come, of several at a time the latest. */
struct listing_under_way {
    uint64_t number;
    uint64_t round; /* of the survey */
    uint64_t left;  /* so many processes were not looked at yet */
};

/* A thread that looks. */
struct looker {
    struct scanner *scanner;
    pthread_t thread;
    struct scan_job *job; /* guarded by the scanner's lock */
    struct looker *next;
};

struct scanner {
    struct probe_engine *engine;
    struct probe_survey *survey;
    pthread_mutex_t lock;  /* guards what follows */
    pthread_cond_t work;   /* the queue is not empty, or it ends */
    pthread_cond_t done;   /* a look is */
    struct scan_job *jobs; /* by pid */
    struct scan_job *queue;
    struct looker *lookers;
    unsigned int looker_count;
    unsigned int idle;    /* of them */
    struct looker *ended; /* the last that did, while it is not waited for */
    struct listing_under_way listing;
    uint64_t scans; /* how many there were */
    bool blocked;   /* all threads are stuck, and no other can be started */
    bool ending;
};

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

int scanner_new(struct probe_engine *engine, struct scanner **result)
{
    struct scanner *scanner = calloc(1, sizeof(*scanner));
    if (!scanner)
        return -ENOMEM;
    int status = probe_survey_new(engine, &scanner->survey);
    if (status < 0) {
        free(scanner);
        return status;
    }
    scanner->engine = engine;
    pthread_mutex_init(&scanner->lock, NULL);
    init_condition(&scanner->work);
    init_condition(&scanner->done);
    *result = scanner;
    return 0;
}

/* ---- jobs: all with the lock held ------------------------------------------------------- */

static void job_queue(struct scanner *scanner, struct scan_job *job)
{
    if (job->queued || job->looking > 0)
        return;
    DL_APPEND(scanner->queue, job);
    job->queued = true;
    pthread_cond_signal(&scanner->work);
}

/*
 * If nobody waits for it, it is forgotten once it was looked at: the survey remembers what was
 * found, and the next scan is the faster. If all threads are stuck, nobody will look at it.
 */
static void job_drop(struct scanner *scanner, struct scan_job *job)
{
    if (job->scans > 0 || job->looking > 0 || (job->queued && !scanner->blocked))
        return;
    if (job->queued)
        DL_DELETE(scanner->queue, job);
    HASH_DEL(scanner->jobs, job);
    free(job);
}

/* The job of PID, one use more; NULL without memory. */
static struct scan_job *job_get(struct scanner *scanner, pid_t pid)
{
    struct scan_job *job = NULL;
    HASH_FIND_INT(scanner->jobs, &pid, job);
    if (!job) {
        job = calloc(1, sizeof(*job));
        if (!job)
            return NULL;
        job->pid = pid;
        HASH_ADD_INT(scanner->jobs, pid, job);
        if (!job->hh.tbl) {
            free(job);
            return NULL;
        }
    }
    job->scans++;
    return job;
}

/* Has a thread looked at it for long by NOW? */
static bool is_stuck(const struct scan_job *job, const struct timespec *now)
{
    return job->looking > 0 &&
           clock_between(&job->started, now) > STUCK_MILLISECONDS * CLOCK_MILLISECOND;
}

/* ---- looking ---------------------------------------------------------------------------- */

static enum scan_answer answer_of(int found)
{
    switch (found) {
    case 1:
        return SCAN_HAS_PROBES;
    case -EACCES:
    case -EPERM:
        return SCAN_NEEDS_IMAGE;
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
    case -EAGAIN:
    case -ETIMEDOUT:
    case -EINPROGRESS:
        return SCAN_UNKNOWN; /* nothing was found out: it must not be left out */
    default:
        return SCAN_HAS_NONE;
    }
}

static struct scan_entry look_at(struct scanner *scanner, pid_t pid)
{
    struct scan_entry entry;
    const struct timespec until = clock_after(LOOK_MILLISECONDS * CLOCK_MILLISECOND);
    memset(&entry, 0, sizeof(entry)); /* it crosses a socket as it is */
    entry.pid = pid;
    int found = probe_image_identify(scanner->engine, pid, &entry.id);
    if (found == 0)
        found = probe_survey_find(scanner->survey, pid, &entry.id, &until, NULL);
    entry.answer = (uint8_t)answer_of(found);
    return entry;
}

/* Looks at the first of the queue. Called with the lock held, and not while it looks. */
static void look_at_next(struct scanner *scanner, struct looker *looker)
{
    struct scan_job *job = scanner->queue;
    DL_DELETE(scanner->queue, job);
    job->queued = false;
    job->looking = job->wanted;
    job->started = clock_now();
    looker->job = job;
    pthread_mutex_unlock(&scanner->lock);
    struct scan_entry answer = look_at(scanner, job->pid);
    pthread_mutex_lock(&scanner->lock);
    looker->job = NULL;
    job->answer = answer;
    job->looked = job->looking;
    job->looking = 0;
    scanner->blocked = false;
    if (job->scans > 0 && job->looked < job->wanted)
        job_queue(scanner, job);
    job_drop(scanner, job);
    if (!scanner->queue) /* else whoever waits finds out soon enough */
        pthread_cond_broadcast(&scanner->done);
}

/* Waits for a thread that has ended, or is about to. */
static void looker_join(struct looker *looker)
{
    if (!looker)
        return;
    pthread_join(looker->thread, NULL);
    free(looker);
}

/*
 * Looks until nobody needs one more thread: they were many only while some were stuck. Called with
 * the lock held. Returns a thread that has ended before.
 */
static struct looker *look_while_needed(struct scanner *scanner, struct looker *looker)
{
    while (!scanner->ending) {
        if (scanner->queue) {
            look_at_next(scanner, looker);
            continue;
        }
        if (scanner->idle >= LOOKING) {
            struct looker *before = scanner->ended;
            LL_DELETE(scanner->lookers, looker);
            scanner->looker_count--;
            scanner->ended = looker;
            return before;
        }
        scanner->idle++;
        pthread_cond_wait(&scanner->work, &scanner->lock);
        scanner->idle--;
    }
    return NULL;
}

static void *look_forever(void *data)
{
    struct looker *looker = data;
    struct scanner *scanner = looker->scanner;
    pthread_mutex_lock(&scanner->lock);
    struct looker *before = look_while_needed(scanner, looker);
    pthread_mutex_unlock(&scanner->lock);
    looker_join(before);
    return NULL;
}

static int looker_start(struct scanner *scanner)
{
    struct looker *looker = calloc(1, sizeof(*looker));
    pthread_attr_t attributes;
    if (!looker)
        return -ENOMEM;
    looker->scanner = scanner;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int status = -pthread_create(&looker->thread, &attributes, look_forever, looker);
    pthread_attr_destroy(&attributes);
    if (status < 0) {
        free(looker);
        return status;
    }
    LL_PREPEND(scanner->lookers, looker);
    scanner->looker_count++;
    return 0;
}

/* Makes sure that threads go on behind those that are stuck. */
static void keep_looking(struct scanner *scanner)
{
    unsigned int going = 0;
    const struct looker *looker = NULL;
    const struct timespec now = clock_now();
    scanner->blocked = false;
    if (!scanner->queue)
        return;
    LL_FOREACH(scanner->lookers, looker)
    going += !looker->job || !is_stuck(looker->job, &now);
    while (going < LOOKING && scanner->looker_count < LOOKERS_MAX && looker_start(scanner) == 0)
        going++;
    scanner->blocked = going == 0;
}

void scanner_free(struct scanner *scanner)
{
    if (!scanner)
        return;
    pthread_mutex_lock(&scanner->lock);
    scanner->ending = true;
    pthread_cond_broadcast(&scanner->work);
    pthread_mutex_unlock(&scanner->lock);
    while (scanner->lookers) {
        struct looker *looker = scanner->lookers;
        scanner->lookers = looker->next;
        looker_join(looker);
    }
    looker_join(scanner->ended);
    struct scan_job *job = NULL;
    struct scan_job *next = NULL;
    HASH_ITER (hh, scanner->jobs, job, next) {
        HASH_DEL(scanner->jobs, job);
        free(job);
    }
    probe_survey_free(scanner->survey);
    pthread_cond_destroy(&scanner->done);
    pthread_cond_destroy(&scanner->work);
    pthread_mutex_destroy(&scanner->lock);
    free(scanner);
}

/* ---- scans ------------------------------------------------------------------------------ */

/* One call: its processes, and since when. */
struct scan {
    uint64_t number;
    struct timespec start;
    const struct scan_listing *listing;
    struct scan_job **jobs; /* NULL: there was no memory for it */
    size_t count;
};

static void scan_begin(struct scanner *scanner, struct scan *scan, const struct scan_entry *entries)
{
    scan->number = ++scanner->scans;
    if (scan->listing->number > scanner->listing.number)
        scanner->listing =
            (struct listing_under_way){.number = scan->listing->number,
                                       .round = probe_survey_begin_round(scanner->survey),
                                       .left = scan->listing->size};
    for (size_t i = 0; i < scan->count; i++) {
        struct scan_job *job = job_get(scanner, entries[i].pid);
        scan->jobs[i] = job;
        if (!job)
            continue;
        job->wanted = scan->number;
        job_queue(scanner, job);
    }
}

/* Has the job an answer that is to be waited for? */
static bool is_awaited(const struct scan *scan, const struct scan_job *job)
{
    /* What was stuck before is stuck for good, mostly: only the first scan waits for it. */
    return job && job->looked < scan->number && !is_stuck(job, &scan->start);
}

static void scan_wait(struct scanner *scanner, const struct scan *scan, const struct timespec *end)
{
    size_t first = 0;
    while (!clock_is_past(end)) {
        while (first < scan->count && !is_awaited(scan, scan->jobs[first]))
            first++;
        if (first == scan->count)
            return;
        keep_looking(scanner);
        if (scanner->blocked)
            return;
        struct timespec check = clock_after(CHECK_MILLISECONDS * CLOCK_MILLISECOND);
        pthread_cond_timedwait(&scanner->done, &scanner->lock,
                               clock_between(&check, end) < 0 ? end : &check);
    }
}

/*
 * Counts the processes that the listing waits for no more. Returns whether these were the last:
 * then what it did not ask for has ended. Those that there was no time for are still to be looked
 * at, and what is remembered of them makes that the faster.
 */
static bool ends_listing(struct scanner *scanner, const struct scan *scan)
{
    struct listing_under_way *listing = &scanner->listing;
    uint64_t done = 0;
    if (scan->listing->number != listing->number || listing->left == 0)
        return false;
    for (size_t i = 0; i < scan->count; i++)
        done += !is_awaited(scan, scan->jobs[i]);
    listing->left -= done < listing->left ? done : listing->left;
    return listing->left == 0;
}

static void scan_end(struct scanner *scanner, const struct scan *scan, struct scan_entry *entries)
{
    for (size_t i = 0; i < scan->count; i++) {
        struct scan_job *job = scan->jobs[i];
        pid_t pid = entries[i].pid;
        if (job && job->looked >= scan->number) {
            entries[i] = job->answer;
        } else {
            memset(&entries[i], 0, sizeof(entries[i]));
            entries[i].pid = pid;
            entries[i].answer = SCAN_UNKNOWN;
        }
        if (!job)
            continue;
        job->scans--;
        job_drop(scanner, job);
    }
}

int scanner_scan(struct scanner *scanner, struct scan_entry *entries, size_t count, int64_t wait,
                 const struct scan_listing *listing)
{
    struct scan scan = {.start = clock_now(), .listing = listing, .count = count};
    const struct timespec end = clock_add(scan.start, wait);
    scan.jobs = calloc(count + 1, sizeof(struct scan_job *));
    if (!scan.jobs)
        return -ENOMEM;
    pthread_mutex_lock(&scanner->lock);
    scan_begin(scanner, &scan, entries);
    scan_wait(scanner, &scan, &end);
    bool is_last = ends_listing(scanner, &scan);
    const uint64_t round = scanner->listing.round;
    scan_end(scanner, &scan, entries);
    pthread_mutex_unlock(&scanner->lock);
    free(scan.jobs);
    if (is_last && probe_survey_end_round(scanner->survey, round) >= HEAP_WORTH_IT)
        heap_give_back();
    return 0;
}
