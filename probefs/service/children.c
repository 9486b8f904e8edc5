/* SPDX-License-Identifier: MIT */
#include "service/children.h"

#include "common/log.h"
#include "shared/clock.h"
#include "shared/reserved-names.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

/* How long the call that gives a hold back is at it; the thread at one reference at a time, and at
 * one at all; and a process at those of other users. */
enum { CALL_MS = 250, TURN_MS = 500, HELPER_MS = 5000, SECONDS_MAX = 30 };

struct inherited {
    struct probe_reference *reference;
    char *name;
    bool of_others; /* what is left are children of other users */
    struct timespec limit;
    struct inherited *prev, *next;
};

int child_queue_init(struct child_queue *queue, struct probe_engine *engine,
                     const struct service_options *options, struct sets *sets)
{
    *queue = (struct child_queue){
        .engine = engine,
        .method = options->method,
        .allow_gigatext = options->allow_gigatext,
        .sets = sets,
    };
    pthread_mutex_init(&queue->lock, NULL);
    return -pthread_cond_init(&queue->changed, NULL);
}

struct inherited *inherited_new(void)
{
    return calloc(1, sizeof(struct inherited));
}

void inherited_free(struct inherited *inherited)
{
    if (!inherited)
        return;
    probe_reference_free(inherited->reference);
    free(inherited->name);
    free(inherited);
}

void child_queue_done(struct child_queue *queue)
{
    struct inherited *inherited = NULL;
    struct inherited *next = NULL;
    pthread_mutex_lock(&queue->lock);
    queue->ending = true;
    while (queue->running)
        pthread_cond_wait(&queue->changed, &queue->lock);
    DL_FOREACH_SAFE(queue->list, inherited, next)
    {
        DL_DELETE(queue->list, inherited);
        inherited_free(inherited);
    }
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
}

struct skipping {
    struct child_queue *queue;
    const char *name;
};

/* A probe_child_predicate. */
static bool was_set(void *data, pid_t pid, uint64_t start_time)
{
    const struct skipping *skipping = data;
    return sets_has(skipping->queue->sets, pid, start_time, skipping->name);
}

static int give_to(struct child_queue *queue, struct probe_engine *engine,
                   const struct inherited *inherited, int milliseconds, struct probe_error *error)
{
    struct skipping skipping = {queue, inherited->name};
    const struct timespec deadline = clock_after(milliseconds * CLOCK_MILLISECOND);
    enum probe_children whose =
        inherited->of_others ? PROBE_CHILDREN_OF_OTHERS : PROBE_CHILDREN_OF_USER;
    return probe_reference_give_children(engine, inherited->reference, whose, was_set, &skipping,
                                         &deadline, error);
}

static void tell_left(const struct inherited *inherited, const char *reason)
{
    log_message(PROBE_LOG_WARNING, "a hold of '%s' was not taken from all children: %s",
                inherited->name, reason);
}

/* Returns whether all is done, but for other users' children; what failed for good is, too. */
static bool give_for(struct child_queue *queue, struct inherited *inherited, int milliseconds)
{
    struct probe_error error = {.text = ""};
    int status = give_to(queue, queue->engine, inherited, milliseconds, &error);
    bool again = status == -EAGAIN || status == -ENOMEM;
    if (again && !clock_is_past(&inherited->limit))
        return false;
    if (status < 0)
        tell_left(inherited, error.text);
    inherited->of_others = geteuid() == 0 && probe_reference_unreached(inherited->reference) > 0;
    return !inherited->of_others;
}

/* ---- other users' children -------------------------------------------------------------- */

/* The process that does it: nothing of the worker's is open in it. */
static void be_helper(struct child_queue *queue, const struct inherited *inherited)
{
    struct probe_error error = {.text = ""};
    const struct probe_engine_options options = {
        .method = queue->method,
        .allow_gigatext = queue->allow_gigatext,
        .log = log_from_engine,
        .reserved_names = reserved_names,
    };
    struct probe_engine *engine = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    int status = probe_engine_new(&options, &engine);
    if (status == 0)
        status = give_to(queue, engine, inherited, HELPER_MS, &error);
    if (status < 0)
        tell_left(inherited, error.text);
    _exit(0);
}

/* Has PID ended within MILLISECONDS? It is waited for by its number: the worker traces, too. */
static bool has_ended(pid_t pid, int milliseconds)
{
    struct pollfd poller = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    const struct timespec deadline = clock_after(milliseconds * CLOCK_MILLISECOND);
    if (poller.fd >= 0) {
        while (poll(&poller, 1, clock_poll_timeout(&deadline)) < 0 && errno == EINTR)
            continue;
        close(poller.fd);
    }
    return waitpid(pid, NULL, WNOHANG) != 0;
}

/* A place for a process; NULL: too many hang. */
static pid_t *find_place(struct child_queue *queue)
{
    pid_t *place = NULL;
    for (int i = 0; i < HELPERS_MAX; i++) {
        if (queue->helpers[i] > 0 && has_ended(queue->helpers[i], 0))
            queue->helpers[i] = 0;
        if (queue->helpers[i] == 0)
            place = &queue->helpers[i];
    }
    return place;
}

static void give_for_others(struct child_queue *queue, const struct inherited *inherited)
{
    pid_t *place = find_place(queue);
    if (!place) {
        tell_left(inherited, "processes that looked at other users' children hang");
        return;
    }
    pthread_mutex_lock(&queue->sets->lock); /* so that it is free in the new process, too */
    pid_t pid = fork();
    pthread_mutex_unlock(&queue->sets->lock);
    if (pid == 0)
        be_helper(queue, inherited);
    if (pid > 0 && has_ended(pid, HELPER_MS + TURN_MS))
        return;
    tell_left(inherited, pid < 0 ? "no process can be started" : "other users' children hang");
    if (pid > 0) {
        kill(pid, SIGKILL);
        *place = pid;
    }
}

/* ---- the thread ------------------------------------------------------------------------- */

/* Returns whether all is done. */
static bool take_turn(struct child_queue *queue, struct inherited *inherited)
{
    if (!inherited->of_others)
        return give_for(queue, inherited, TURN_MS);
    give_for_others(queue, inherited);
    return true;
}

/* Takes turns at all that there is, and ends when nothing is left. */
static void *give_all(void *data)
{
    struct child_queue *queue = data;
    pthread_mutex_lock(&queue->lock);
    while (queue->list && !queue->ending) {
        struct inherited *inherited = queue->list;
        DL_DELETE(queue->list, inherited);
        pthread_mutex_unlock(&queue->lock);
        bool done = take_turn(queue, inherited);
        if (done)
            inherited_free(inherited);
        pthread_mutex_lock(&queue->lock);
        if (!done)
            DL_APPEND(queue->list, inherited);
    }
    queue->running = false;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* Makes sure that there is a thread. Called with the lock held. */
static bool keep_running(struct child_queue *queue)
{
    pthread_t thread;
    if (queue->running || queue->ending)
        return true;
    queue->running = pthread_create(&thread, NULL, give_all, queue) == 0;
    if (queue->running)
        pthread_detach(thread);
    return queue->running;
}

/*
 * Without a thread, the caller does what it has time for. What is left then waits for the next that
 * is given back, whose thread may start.
 */
static void go_on_without_thread(struct child_queue *queue, struct inherited *inherited)
{
    if (!inherited->of_others && give_for(queue, inherited, CALL_MS)) {
        inherited_free(inherited);
        return;
    }
    tell_left(inherited, "no thread can be started; it is tried again with the next hold");
    pthread_mutex_lock(&queue->lock);
    DL_APPEND(queue->list, inherited);
    pthread_mutex_unlock(&queue->lock);
}

static void enqueue(struct child_queue *queue, struct inherited *inherited)
{
    pthread_mutex_lock(&queue->lock);
    bool runs = keep_running(queue);
    if (runs)
        DL_APPEND(queue->list, inherited);
    pthread_mutex_unlock(&queue->lock);
    if (!runs)
        go_on_without_thread(queue, inherited);
}

void child_queue_add(struct child_queue *queue, struct inherited *inherited,
                     struct probe_reference *reference, char *name, bool later)
{
    inherited->reference = reference;
    inherited->name = name;
    inherited->limit = clock_after(SECONDS_MAX * CLOCK_SECOND);
    if (!later && give_for(queue, inherited, CALL_MS))
        inherited_free(inherited);
    else
        enqueue(queue, inherited);
}

void child_queue_wait(struct child_queue *queue, const struct timespec *deadline)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->running &&
           pthread_cond_clockwait(&queue->changed, &queue->lock, CLOCK_MONOTONIC, deadline) == 0)
        continue;
    pthread_mutex_unlock(&queue->lock);
}
