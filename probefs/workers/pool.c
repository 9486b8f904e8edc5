/* SPDX-License-Identifier: MIT */
#include "workers/pool.h"

#include "common/log-limit.h"
#include "common/waiting.h"
#include "shared/clock.h"
#include "workers/channel.h"
#include "workers/pool-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    IDLE_SECONDS = 30,
    CORPSES_MAX = 64, /* of one user */
    MANY = 64,        /* with more workers than these, idle ones end sooner: */
    IDLE_SECONDS_OF_MANY = 5,
    EVENTS_AT_ONCE = 16,
};

static time_t now_seconds(void)
{
    return clock_now().tv_sec;
}

/* ---- starting --------------------------------------------------------------------------- */

/*
 * A descriptor for the child PID that was just started. Children are reaped by the kernel, so if
 * it has ended already, its number may be another process's: then that is no child of ours, as no
 * other is started meanwhile. Errors: EIO it has ended.
 */
static int open_child(pid_t pid, int *result)
{
    siginfo_t unused;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return errno == ESRCH ? -EIO : -errno;
    if (waitid(P_PIDFD, (id_t)pidfd, &unused, WEXITED | WNOHANG | WNOWAIT) < 0) {
        close(pidfd);
        return -EIO;
    }
    *result = pidfd;
    return 0;
}

/* Its end wakes the sweeper, once. Without memory for that, the next request finds out. */
static void watch_end(const struct workers *workers, const struct worker *worker)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = worker->pidfd};
    epoll_ctl(workers->events, EPOLL_CTL_ADD, worker->pidfd, &event);
}

struct worker_setup workers_setup(const struct workers_options *options,
                                  const struct worker_identity *identity)
{
    return (struct worker_setup){
        .identity = *identity,
        .log_level = options->log_level,
        .to_syslog = options->to_syslog,
        .method = options->service.method,
        .allow_gigatext = options->service.allow_gigatext,
        .all = options->service.all,
    };
}

/* Starts the process behind WORKER, with the other end of its control. */
static int start_process(const struct workers *workers, struct worker *worker, int control)
{
    const struct worker_setup setup = workers_setup(&workers->options, &worker->identity);
    int given[2];
    if (pipe2(given, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    const struct worker_fds fds = {control, waiting_fd(workers->options.service.waiting), given[1]};
    int status = worker_spawn(WORKER_NAME, &setup, &fds, &worker->pid);
    close(given[1]);
    if (status == 0)
        status = open_child(worker->pid, &worker->pidfd);
    /* ESRCH would be taken for the end of the process that it is to look into. */
    if (status == 0 && clock_getcpuclockid(worker->pid, &worker->clock) != 0) {
        close(worker->pidfd);
        status = -EIO;
    }
    if (status < 0)
        close(given[0]);
    else
        worker->given = given[0];
    return status;
}

static int worker_try_start(struct workers *workers, const struct worker_identity *identity,
                            struct worker **result)
{
    int ends[2];
    struct worker *worker = calloc(1, sizeof(*worker));
    int status = worker ? channel_pair(ends) : -ENOMEM;
    if (status < 0) {
        free(worker);
        return status;
    }
    worker->workers = workers;
    worker->identity = *identity;
    worker->number = ++workers->last_number;
    status = start_process(workers, worker, ends[1]);
    close(ends[1]);
    if (status < 0) {
        close(ends[0]);
        free(worker);
        return status;
    }
    worker->control = ends[0];
    watch_end(workers, worker);
    log_message(PROBE_LOG_DEBUG, "worker %d serves user %u", worker->pid, identity->uid);
    *result = worker;
    return 0;
}

/* ---- ending ----------------------------------------------------------------------------- */

/* All below are called with the lock held. */

static void sweeper_wake(const struct workers *workers)
{
    eventfd_write(workers->wake, 1);
}

void workers_note_lost(struct workers *workers)
{
    workers->lost = true;
    sweeper_wake(workers);
}

static void worker_free(struct worker *worker)
{
    close(worker->pidfd);
    close(worker->given);
    free(worker);
}

void worker_unlist(struct worker *worker)
{
    if (!worker->listed)
        return;
    HASH_DEL(worker->workers->table, worker);
    worker->listed = false;
    close(worker->control);
    while (worker->channel_count > 0)
        close(worker->channels[--worker->channel_count]);
    if (worker->users == 0)
        worker_free(worker);
}

static bool is_dead(int pidfd)
{
    struct pollfd poller = {.fd = pidfd, .events = POLLIN};
    return pidfd < 0 || poll(&poller, 1, 0) > 0;
}

/* How long one may be idle. */
static time_t idle_seconds(const struct workers *workers)
{
    return HASH_COUNT(workers->table) > MANY ? IDLE_SECONDS_OF_MANY : IDLE_SECONDS;
}

/* Ends those that are idle for long; returns when the next will be, or 0. */
static time_t end_idle(struct workers *workers)
{
    time_t now = now_seconds();
    time_t next = 0;
    struct worker *worker = NULL;
    struct worker *following = NULL;
    time_t idle = idle_seconds(workers);
    HASH_ITER (hh, workers->table, worker, following) {
        if (worker->users > 0 || (worker->counts && !workers->ending))
            continue;
        time_t end = worker->idle_since + idle;
        if (end <= now || workers->ending)
            worker_unlist(worker);
        else if (next == 0 || end < next)
            next = end;
    }
    return next;
}

/* Waits, until NEXT at most (0: for ever); returns whether a worker has ended. */
static bool wait_for_event(const struct workers *workers, time_t next)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    eventfd_t unused;
    time_t left = next - now_seconds();
    int timeout = next == 0 ? -1 : left > 0 ? (int)left * 1000 : 0;
    int count = epoll_wait(workers->events, events, EVENTS_AT_ONCE, timeout);
    bool ended = false;
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == workers->wake)
            eventfd_read(workers->wake, &unused);
        else
            ended = true;
    }
    return ended;
}

static void *sweep_forever(void *data)
{
    struct workers *workers = data;
    pthread_mutex_lock(&workers->lock);
    while (!workers->ending) {
        time_t next = end_idle(workers);
        workers->next_sweep = next;
        pthread_mutex_unlock(&workers->lock);
        bool ended = wait_for_event(workers, next);
        pthread_mutex_lock(&workers->lock);
        ended |= workers->lost;
        workers->lost = false;
        if (!ended || workers->ending || !workers->options.ended)
            continue;
        pthread_mutex_unlock(&workers->lock);
        workers->options.ended(workers->options.ended_data);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* ---- all workers ------------------------------------------------------------------------ */

static int open_events(struct workers *workers)
{
    workers->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    workers->events = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = workers->wake};
    return workers->wake < 0 || workers->events < 0 ||
                   epoll_ctl(workers->events, EPOLL_CTL_ADD, workers->wake, &event) < 0
               ? -errno
               : 0;
}

static void workers_done(struct workers *workers)
{
    if (workers->events >= 0)
        close(workers->events);
    if (workers->wake >= 0)
        close(workers->wake);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

int workers_new(const struct workers_options *options, struct workers **result)
{
    struct workers *workers = calloc(1, sizeof(*workers));
    if (!workers)
        return -ENOMEM;
    workers->options = *options;
    pthread_mutex_init(&workers->lock, NULL);
    int status = open_events(workers);
    if (status == 0)
        status = late_calls_new(&workers->late_calls);
    if (status == 0)
        status = -pthread_create(&workers->sweeper, NULL, sweep_forever, workers);
    if (status < 0) {
        late_calls_free(workers->late_calls);
        workers_done(workers);
        return status;
    }
    *result = workers;
    return 0;
}

void workers_free(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->ending = true;
    sweeper_wake(workers);
    pthread_mutex_unlock(&workers->lock);
    pthread_join(workers->sweeper, NULL);
    late_calls_free(workers->late_calls);
    struct worker *worker = NULL;
    struct worker *next = NULL;
    HASH_ITER (hh, workers->table, worker, next)
        worker_unlist(worker);
    corpses_done(&workers->corpses);
    workers_done(workers);
}

/* Ends the worker that is idle for the longest time; false if there is none. */
static bool end_one_idle(struct workers *workers)
{
    struct worker *worker = NULL;
    struct worker *next = NULL;
    struct worker *oldest = NULL;
    HASH_ITER (hh, workers->table, worker, next) {
        if (worker->users == 0 && !worker->counts &&
            (!oldest || worker->idle_since < oldest->idle_since))
            oldest = worker;
    }
    if (oldest)
        worker_unlist(oldest);
    return oldest;
}

/* Where a limit of the system is reached, one that is idle makes room. */
static int worker_start(struct workers *workers, const struct worker_identity *identity,
                        struct worker **worker)
{
    static const struct log_reason no_start = {.most = 5};
    int status = worker_try_start(workers, identity, worker);
    bool is_limit =
        status == -EAGAIN || status == -EMFILE || status == -ENFILE || status == -ENOMEM;
    if (is_limit && end_one_idle(workers))
        status = worker_try_start(workers, identity, worker);
    if (status < 0)
        log_limited(identity->uid, &no_start, PROBE_LOG_ERROR,
                    "cannot start a worker for user %u: %s", identity->uid, strerror(-status));
    return status;
}

/* It must not be in the table. */
static int worker_list(struct workers *workers, struct worker *worker)
{
    HASH_ADD(hh, workers->table, identity, sizeof(worker->identity), worker);
    worker->listed = worker->hh.tbl != NULL;
    if (worker->listed)
        return 0;
    close(worker->control);
    worker_free(worker);
    return -ENOMEM;
}

int workers_get(struct workers *workers, const struct worker_identity *identity,
                struct worker **result)
{
    int status = 0;
    pthread_mutex_lock(&workers->lock);
    struct worker *worker = NULL;
    HASH_FIND(hh, workers->table, identity, sizeof(*identity), worker);
    /* Its user may kill it; that is no reason to refuse the next call. */
    if (worker && is_dead(worker->pidfd)) {
        worker_unlist(worker);
        worker = NULL;
    }
    if (!worker && corpses_count(&workers->corpses, identity->uid) >= CORPSES_MAX)
        status = -ETIMEDOUT;
    else if (!worker && (status = worker_start(workers, identity, &worker)) == 0)
        status = worker_list(workers, worker);
    if (status == 0) {
        worker->users++;
        *result = worker;
    }
    pthread_mutex_unlock(&workers->lock);
    return status;
}

void worker_watch(const struct worker *worker, struct worker_watch *watch)
{
    *watch = (struct worker_watch){worker->number, worker->pidfd, worker->given};
}

int64_t worker_answer_time(const struct worker *worker)
{
    return worker->workers->options.answer_time;
}

void worker_use(struct worker *worker)
{
    pthread_mutex_lock(&worker->workers->lock);
    worker->users++;
    pthread_mutex_unlock(&worker->workers->lock);
}

void worker_put(struct worker *worker)
{
    struct workers *workers = worker->workers;
    pthread_mutex_lock(&workers->lock);
    if (--worker->users == 0) {
        worker->idle_since = now_seconds();
        time_t end = worker->idle_since + idle_seconds(workers);
        if (!worker->listed)
            worker_free(worker);
        else if (workers->next_sweep == 0 || end < workers->next_sweep)
            sweeper_wake(workers);
    }
    pthread_mutex_unlock(&workers->lock);
}

bool worker_is_gone(struct worker *worker)
{
    pthread_mutex_lock(&worker->workers->lock);
    bool gone = !worker->listed || is_dead(worker->pidfd);
    pthread_mutex_unlock(&worker->workers->lock);
    return gone;
}

const struct worker_identity *worker_identity(const struct worker *worker)
{
    return &worker->identity;
}
