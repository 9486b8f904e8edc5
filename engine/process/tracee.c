/* SPDX-License-Identifier: MIT */
/*
 * How a process is stopped:
 *
 *   1. seize each thread that is not seized yet, then interrupt them
 *   2. wait until all of them have stopped
 *   3. read the list of threads again; if there are new ones, back to 1: threads that had not
 *      stopped yet may have started them
 *   4. act, as often as asked
 *   5. let go of each, handing back the signal that it was about to take
 *
 * The process gets no signal: an interruption is none, and a process stopped by a signal stays
 * stopped. A thread that waits for an answer from the client's own file system cannot stop before
 * it gets one; but it cannot run user code either, so it counts as stopped.
 *
 * All of it happens in a thread of its own. What cannot be detached in order (a thread in vfork
 * cannot stop) is let go by the kernel when that thread ends.
 *
 * Seizing may never return: it waits for a thread in exec, which may wait for a file system that
 * does not answer. Then our thread is abandoned: nobody waits for it any more, and as soon as it
 * can it undoes what it did, touching nothing but its own struct.
 */
#include "process/tracee.h"

#include "process/deadline.h"
#include "process/diagnose.h"
#include "process/proc.h"
#include "process/ptrace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/*
 * Most threads stop within microseconds: look often at first, then less often, and sometimes for
 * threads that ended without an event.
 */
enum { EAGER_LOOKS = 64, LOOKS_FOR_GONE = 16, PAUSE_NS = 50000 };

/* How often seizing is tried when it is refused and no tracer can be seen. */
enum { SEIZE_TRIES = 3 };

struct tracee {
    pid_t tid;
    bool interrupted;
    bool listed; /* the list of threads had it after it was seized */
    bool stopped;
    int signal; /* to be handed back */
    UT_hash_handle hh;
};

/* What the tracing thread is to do next. */
enum job { JOB_NONE, JOB_ACT, JOB_END };

struct tracee_stop {
    struct probe_engine *engine;
    pid_t pid;
    struct probe_error error;

    /* Used by the tracing thread alone. */
    DIR *tasks;             /* the list of threads */
    struct tracee *tracees; /* by tid */
    unsigned int running;   /* tracees that have not stopped */
    unsigned int count;     /* of all tracees, once they have stopped */
    struct timespec deadline;
    int (*prepare)(void *data);
    bool once; /* `act` is set from the start, called once, and then all are let go */

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum job job;   /* guarded by lock, and so is all below */
    bool done;      /* the last job is done; at first, the stop */
    bool abandoned; /* nobody waits any more: the tracing thread frees this */
    bool acting;    /* a task is or was under way: the waiting has no limit */
    int (*act)(void *data, pid_t tid);
    void *data;
    int status;
};

/* ---- seizing ---------------------------------------------------------------------------- */

static int fail_seize(struct tracee_stop *stop, pid_t tid, pid_t tracer, int status)
{
    struct proc_stat stat;
    if (proc_stat_read(stop->engine->proc, stop->pid, tid, &stat) < 0 || stat.state == 'Z' ||
        stat.state == 'X')
        return 0; /* it is ending */
    return diagnose_traced(stop->engine, stop->pid, tracer, -status, &stop->error);
}

static bool is_abandoned(struct tracee_stop *stop)
{
    pthread_mutex_lock(&stop->lock);
    bool abandoned = stop->abandoned;
    pthread_mutex_unlock(&stop->lock);
    return abandoned;
}

/*
 * On EPERM, TRACER becomes whoever traces the thread. If nobody does, its tracer may have let go
 * just now: try again. An abandoned thread asks for nothing more, as the engine may be gone.
 */
static int seize_thread(struct tracee_stop *stop, pid_t tid, pid_t *tracer)
{
    int status = -EPERM;
    *tracer = 0;
    for (int i = 0; i < SEIZE_TRIES && status == -EPERM && *tracer == 0; i++) {
        status = ptrace_seize(tid, false);
        if (is_abandoned(stop))
            return -ETIMEDOUT;
        if (status == -EPERM)
            *tracer = diagnose_tracer(stop->engine, tid);
    }
    return status;
}

static void forget_tracee(struct tracee_stop *stop, struct tracee *tracee)
{
    stop->running -= !tracee->stopped;
    HASH_DEL(stop->tracees, tracee);
    free(tracee);
}

static int add_tracee(struct tracee_stop *stop, pid_t tid)
{
    struct tracee *tracee = calloc(1, sizeof(*tracee));
    if (!tracee)
        return error_memory(&stop->error);
    tracee->tid = tid;
    HASH_ADD_INT(stop->tracees, tid, tracee);
    if (!tracee->hh.tbl) {
        free(tracee);
        return error_memory(&stop->error);
    }
    stop->running++;
    pid_t tracer = 0;
    int status = seize_thread(stop, tid, &tracer);
    if (status == 0 || status == -ETIMEDOUT)
        return status;
    forget_tracee(stop, tracee);
    return status == -ESRCH ? 0 : fail_seize(stop, tid, tracer, status);
}

/* Opens the list of threads, or rewinds it. */
static int open_list(struct tracee_stop *stop)
{
    if (stop->tasks) {
        rewinddir(stop->tasks);
        return 0;
    }
    int fd = proc_open(stop->engine->proc, stop->pid, stop->pid, "task", O_RDONLY | O_DIRECTORY);
    stop->tasks = fd < 0 ? NULL : fdopendir(fd);
    if (stop->tasks)
        return 0;
    int errnum = fd < 0 ? -fd : errno;
    if (fd >= 0)
        close(fd);
    if (errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM)
        return error_set(&stop->error, errnum, "process %d: cannot list its threads: %s", stop->pid,
                         strerror(errnum));
    return error_set(&stop->error, ESRCH, "process %d has ended", stop->pid);
}

/* Seizes the threads that are not yet; returns how many, or an error. */
static int seize_new(struct tracee_stop *stop)
{
    int found = 0;
    int status = open_list(stop);
    for (struct dirent *task; status == 0 && (task = readdir(stop->tasks));) {
        pid_t tid = (pid_t)strtol(task->d_name, NULL, 10);
        struct tracee *tracee = NULL;
        HASH_FIND_INT(stop->tracees, &tid, tracee);
        if (tracee)
            tracee->listed = true;
        if (tid <= 0 || tracee)
            continue;
        unsigned int before = HASH_COUNT(stop->tracees);
        status = add_tracee(stop, tid);
        found += HASH_COUNT(stop->tracees) > before;
    }
    return status < 0 ? status : found;
}

/*
 * All are seized before the first is interrupted: so that one waits less. A thread that ended
 * meanwhile is waited for like the others: the kernel keeps it for us.
 */
static void interrupt_new(struct tracee_stop *stop)
{
    for (struct tracee *tracee = stop->tracees; tracee; tracee = tracee->hh.next) {
        if (!tracee->interrupted)
            ptrace_interrupt(tracee->tid);
        tracee->interrupted = true;
    }
}

/* ---- waiting ---------------------------------------------------------------------------- */

static void take_event(struct tracee_stop *stop, pid_t tid, const struct ptrace_event *event)
{
    struct tracee *tracee = NULL;
    HASH_FIND_INT(stop->tracees, &tid, tracee);
    if (!tracee)
        return;
    if (event->ended) {
        forget_tracee(stop, tracee);
        return;
    }
    if (!tracee->stopped)
        stop->running--;
    tracee->stopped = true;
    tracee->signal = event->signal;
}

/*
 * Forgets tracees that will never stop, without an event to say so: a main thread that ended before
 * the others, and a thread that called exec, as it takes the main thread's number.
 */
static void forget_gone(struct tracee_stop *stop)
{
    struct tracee *tracee = NULL;
    struct tracee *next = NULL;
    HASH_ITER (hh, stop->tracees, tracee, next) {
        struct proc_stat stat;
        if (tracee->stopped)
            continue;
        if (proc_stat_read(stop->engine->proc, stop->pid, tracee->tid, &stat) < 0 ||
            stat.state == 'Z' || stat.state == 'X')
            forget_tracee(stop, tracee);
    }
}

/* How many of the running tracees wait for an answer from the client? */
static unsigned int count_waiting(struct tracee_stop *stop)
{
    const struct probe_engine_options *options = &stop->engine->options;
    unsigned int count = 0;
    if (!options->waits)
        return 0;
    for (struct tracee *tracee = stop->tracees; tracee; tracee = tracee->hh.next) {
        count += !tracee->stopped && options->waits(options->waits_data, tracee->tid);
    }
    return count;
}

/*
 * Collects the events of running tracees; returns whether there was any. Asks for each by its
 * number: for "any", the kernel would search all of them each time.
 */
static bool take_events(struct tracee_stop *stop)
{
    struct tracee *tracee = NULL;
    struct tracee *next = NULL;
    bool any = false;
    HASH_ITER (hh, stop->tracees, tracee, next) {
        struct ptrace_event event;
        pid_t tid = tracee->tid;
        if (tracee->stopped || ptrace_wait(tid, false, &event) <= 0)
            continue;
        take_event(stop, tid, &event);
        any = true;
    }
    return any;
}

static int fail_stop(struct tracee_stop *stop)
{
    return error_because(&stop->error, PROBE_REASON_UNSTOPPED,
                         error_set(&stop->error, ETIMEDOUT,
                                   "process %d: %u of its threads did not stop in time (in vfork, "
                                   "or in a system call that cannot be interrupted): try again "
                                   "later",
                                   stop->pid, stop->running));
}

/* Waits until every tracee has stopped or waits for the client. */
static int wait_for_stops(struct tracee_stop *stop)
{
    for (unsigned int looks = 0; stop->running > 0; looks++) {
        if (take_events(stop))
            continue;
        if (looks > EAGER_LOOKS && looks % LOOKS_FOR_GONE == 0)
            forget_gone(stop);
        if (stop->running == 0 || count_waiting(stop) == stop->running)
            break;
        if (clock_is_past(&stop->deadline))
            return fail_stop(stop);
        if (looks < EAGER_LOOKS)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return 0;
}

static int stop_all(struct tracee_stop *stop)
{
    int new = 1;
    int status = 0;
    while (new > 0 && status == 0) {
        new = seize_new(stop);
        if (new < 0)
            return new;
        interrupt_new(stop);
        status = wait_for_stops(stop);
    }
    return status;
}

/* ---- acting and letting go -------------------------------------------------------------- */

/*
 * A thread that ptrace can use, 0 if all wait for the client, or -ESRCH if none is left. A number
 * can have gone to another process's thread between listing and seizing; one listed after it was
 * seized is the target's.
 */
static pid_t find_stopped(struct tracee_stop *stop)
{
    for (struct tracee *tracee = stop->tracees; tracee; tracee = tracee->hh.next) {
        if (tracee->stopped && tracee->listed)
            return tracee->tid;
    }
    if (HASH_COUNT(stop->tracees) == 0)
        return error_set(&stop->error, ESRCH, "process %d has ended", stop->pid);
    return 0;
}

static void let_go(struct tracee_stop *stop)
{
    struct tracee *tracee = NULL;
    struct tracee *next = NULL;
    for (tracee = stop->tracees; tracee; tracee = tracee->hh.next) {
        if (tracee->stopped)
            ptrace_detach(tracee->tid, tracee->signal);
    }
    HASH_ITER (hh, stop->tracees, tracee, next) {
        forget_tracee(stop, tracee);
    }
    if (stop->tasks)
        closedir(stop->tasks);
    stop->tasks = NULL;
}

static void free_stop(struct tracee_stop *stop)
{
    pthread_cond_destroy(&stop->changed);
    pthread_mutex_destroy(&stop->lock);
    free(stop);
}

/* Reports how the last job went, and waits for the next. */
static enum job finish_job(struct tracee_stop *stop, int status)
{
    pthread_mutex_lock(&stop->lock);
    stop->status = status;
    stop->done = true;
    stop->job = JOB_NONE;
    pthread_cond_broadcast(&stop->changed);
    while (stop->job == JOB_NONE && !stop->abandoned)
        pthread_cond_wait(&stop->changed, &stop->lock);
    enum job job = stop->abandoned ? JOB_END : stop->job;
    pthread_mutex_unlock(&stop->lock);
    return job;
}

/* While this runs, the caller waits without a limit; from its end on, until the deadline. */
static int prepare_task(struct tracee_stop *stop)
{
    int status = stop->prepare(stop->data);
    if (status < 0)
        return status;
    pthread_mutex_lock(&stop->lock);
    stop->acting = false;
    pthread_cond_broadcast(&stop->changed);
    pthread_mutex_unlock(&stop->lock);
    return 0;
}

/* May the task be done? Not if it was abandoned. */
static bool begin_once(struct tracee_stop *stop)
{
    pthread_mutex_lock(&stop->lock);
    stop->acting = stop->once && !stop->abandoned;
    bool acting = stop->acting;
    pthread_mutex_unlock(&stop->lock);
    return acting;
}

static void *run_tracer(void *data)
{
    struct tracee_stop *stop = data;
    int status = stop->once ? prepare_task(stop) : 0;
    if (status == 0)
        status = stop_all(stop);
    pid_t tid = status == 0 ? find_stopped(stop) : status;
    if (tid < 0)
        let_go(stop); /* at once, before anybody is woken */
    status = tid < 0 ? (int)tid : 0;
    stop->count = HASH_COUNT(stop->tracees);
    if (status == 0 && begin_once(stop)) {
        status = stop->act(stop->data, tid);
        let_go(stop); /* likewise */
    }
    while (finish_job(stop, status) == JOB_ACT)
        status = stop->act(stop->data, tid);
    let_go(stop);
    if (is_abandoned(stop))
        free_stop(stop);
    return NULL;
}

/*
 * Waits until all have stopped and the task, if any, is done. False if that took too long: STOP is
 * not ours any more then.
 */
static bool wait_for_start(struct tracee_stop *stop, int *status)
{
    const struct timespec limit = clock_add(stop->deadline, DEADLINE_SLACK);
    int waited = 0;
    pthread_mutex_lock(&stop->lock);
    while (!stop->done && (stop->acting || waited != ETIMEDOUT))
        waited = stop->acting
                     ? pthread_cond_wait(&stop->changed, &stop->lock)
                     : pthread_cond_clockwait(&stop->changed, &stop->lock, CLOCK_MONOTONIC, &limit);
    bool done = stop->done;
    *status = stop->status;
    if (!done) {
        stop->abandoned = true;
        pthread_detach(stop->thread);
    }
    pthread_mutex_unlock(&stop->lock);
    return done;
}

/* Gives the tracing thread a job, and waits until it is done. */
static int wait_for_job(struct tracee_stop *stop, enum job job)
{
    pthread_mutex_lock(&stop->lock);
    stop->job = job;
    stop->done = false;
    pthread_cond_broadcast(&stop->changed);
    while (!stop->done)
        pthread_cond_wait(&stop->changed, &stop->lock);
    int status = stop->status;
    pthread_mutex_unlock(&stop->lock);
    return status;
}

/* Stops all, and does the task if there is one. On failure, STOP is gone. */
static int start_tracer(struct tracee_stop *stop, struct probe_error *error)
{
    pid_t pid = stop->pid;
    pthread_mutex_init(&stop->lock, NULL);
    pthread_cond_init(&stop->changed, NULL);
    int status = -pthread_create(&stop->thread, NULL, run_tracer, stop);
    if (status < 0) {
        free_stop(stop);
        error_set(error, -status, "process %d: cannot start a thread to stop it", pid);
        return status;
    }
    if (!wait_for_start(stop, &status)) {
        return error_because(error, PROBE_REASON_UNSTOPPED,
                             error_set(error, ETIMEDOUT,
                                       "process %d: its threads cannot be stopped while one of "
                                       "them replaces the program: try again later",
                                       pid));
    }
    if (status == 0) {
        engine_log(stop->engine, PROBE_LOG_DEBUG, "process %d: %u threads are stopped", pid,
                   stop->count);
        return 0;
    }
    if (error && !stop->acting)
        *error = stop->error;
    tracee_end(stop);
    return status;
}

static struct tracee_stop *new_stop(struct probe_engine *engine, pid_t pid,
                                    const struct timespec *deadline)
{
    struct tracee_stop *stop = calloc(1, sizeof(*stop));
    if (!stop)
        return NULL;
    stop->engine = engine;
    stop->pid = pid;
    stop->deadline = *deadline;
    return stop;
}

int tracee_begin(struct probe_engine *engine, pid_t pid, const struct timespec *deadline,
                 struct tracee_stop **result, struct probe_error *error)
{
    struct tracee_stop *stop = new_stop(engine, pid, deadline);
    if (!stop)
        return error_memory(error);
    int status = start_tracer(stop, error);
    if (status == 0)
        *result = stop;
    return status;
}

int tracee_run(struct probe_engine *engine, pid_t pid, const struct timespec *deadline,
               const struct tracee_task *task, struct probe_error *error)
{
    struct tracee_stop *stop = new_stop(engine, pid, deadline);
    if (!stop)
        return error_memory(error);
    stop->once = stop->acting = true;
    stop->prepare = task->prepare;
    stop->act = task->act;
    stop->data = task->data;
    int status = start_tracer(stop, error);
    if (status == 0)
        tracee_end(stop);
    return status;
}

int tracee_act(struct tracee_stop *stop, int (*act)(void *data, pid_t tid), void *data)
{
    stop->act = act;
    stop->data = data;
    return wait_for_job(stop, JOB_ACT);
}

void tracee_end(struct tracee_stop *stop)
{
    if (!stop)
        return;
    pthread_mutex_lock(&stop->lock);
    stop->job = JOB_END;
    pthread_cond_broadcast(&stop->changed);
    pthread_mutex_unlock(&stop->lock);
    pthread_join(stop->thread, NULL);
    free_stop(stop);
}
