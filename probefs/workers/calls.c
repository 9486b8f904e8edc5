/* SPDX-License-Identifier: MIT */
#include "workers/calls.h"

#include "common/log-limit.h"
#include "shared/clock.h"
#include "workers/channel.h"
#include "workers/lateness.h"
#include "workers/pool-internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utlist.h>

/* For so long a worker's clock of processor time need not be read again. */
#define CLOCK_FRESH (2 * CLOCK_MILLISECOND)

/* A channel for one call: an idle one, or a new one. Called with the lock held. */
static int take_channel(struct worker *worker)
{
    int ends[2];
    if (worker->channel_count > 0)
        return worker->channels[--worker->channel_count];
    if (!worker->listed)
        return -EIO;
    int status = channel_pair(ends);
    if (status < 0)
        return status;
    status = channel_send_fd(worker->control, ends[1]) < 0 ? -EIO : ends[0];
    close(ends[1]);
    if (status < 0)
        close(ends[0]);
    return status;
}

/*
 * Where a worker is stuck for good, the next would be, too. Giving holds back is tried all the
 * same: nobody would do it later.
 */
static bool is_hopeless(struct worker *worker, const struct call *call)
{
    return call->request.operation <= OPERATION_HOLD_TAKE &&
           corpses_have(&worker->workers->corpses, call);
}

/*
 * The processor time of WORKER by NOW, or a moment before: to read it is a system call, and no call
 * is late so soon that the moment counts. Called with the lock held.
 */
static int64_t look_at_clock(struct worker *worker, const struct timespec *now)
{
    if (clock_between(&worker->used_at, now) > CLOCK_FRESH) {
        worker->used = lateness_used(worker->clock);
        worker->used_at = *now;
    }
    return worker->used;
}

/* Tells who asks that there is no answer in time, because of STATUS. */
static int give_up(const struct call *call, int status)
{
    if (call->given_up)
        call->given_up(call->given_up_data, status);
    return status;
}

static int begin_call(struct worker *worker, const struct call *call, struct busy_channel *busy)
{
    busy->begun = clock_now();
    pthread_mutex_lock(&worker->workers->lock);
    busy->used = look_at_clock(worker, &busy->begun);
    busy->channel = is_hopeless(worker, call) ? give_up(call, -ETIMEDOUT) : take_channel(worker);
    if (busy->channel >= 0)
        DL_APPEND(worker->busy, busy);
    pthread_mutex_unlock(&worker->workers->lock);
    return busy->channel < 0 ? busy->channel : 0;
}

static const char *explain_lateness(int status)
{
    switch (status) {
    case -ESHUTDOWN:
        return "somebody has stopped it";
    case -ETIME:
        return "it got little processor time, as this machine is busy";
    case -EALREADY:
        return "it was still at work, and had processor time";
    default:
        return "something that this user's processes have mapped does not answer";
    }
}

/* Ends a worker that does not answer, as far as it can be ended; STATUS says why it does not. */
static void worker_abandon(struct worker *worker, const struct call *call, int status)
{
    static const struct log_reason no_answer = {.most = 5};
    if (worker->abandoned)
        return;
    worker->abandoned = true;
    /* Who else waits for it need not wait until it has died, which may take for ever. */
    struct busy_channel *busy = NULL;
    DL_FOREACH(worker->busy, busy)
    shutdown(busy->channel, SHUT_RDWR);
    syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
    corpses_add(&worker->workers->corpses, worker->identity.uid, worker->pidfd,
                status == -ETIMEDOUT ? call : NULL);
    log_limited(worker->identity.uid, &no_answer, PROBE_LOG_WARNING,
                "worker %d of user %u did not answer in time and was ended: %s", worker->pid,
                worker->identity.uid, explain_lateness(status));
    workers_note_lost(worker->workers);
    worker_unlist(worker);
}

/*
 * Ends a worker that has closed a channel, which all but a dead one keep. It must not release what
 * it holds, as an orderly end would: that is taken over.
 */
static void worker_bury(struct worker *worker)
{
    if (!worker->listed)
        return;
    syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
    workers_note_lost(worker->workers);
    worker_unlist(worker);
}

/* The call was not answered in time: why, as worker_call() says it. */
static int judge_lateness(const struct worker *worker, const struct busy_channel *busy)
{
    const struct timespec now = clock_now();
    int64_t used = lateness_used(worker->clock) - busy->used;
    switch (lateness_judge(worker->pid, clock_between(&busy->begun, &now), used)) {
    case LATE_STOPPED:
        return -ESHUTDOWN;
    case LATE_STARVED:
        return -ETIME;
    case LATE_WORKING:
        return -EALREADY;
    case LATE_STUCK:
        break;
    }
    return -ETIMEDOUT;
}

/* The call failed on its way: what does that say about the worker? Called with the lock held. */
static int fail_call(struct worker *worker, const struct busy_channel *busy,
                     const struct call *call, int status)
{
    if (status == -ETIMEDOUT) {
        status = give_up(call, judge_lateness(worker, busy));
        worker_abandon(worker, call, status);
    }
    if (status != -EPIPE)
        return status;
    bool abandoned = worker->abandoned;
    worker_bury(worker);
    return abandoned ? -ECONNRESET : -EIO;
}

static int end_call(struct worker *worker, struct busy_channel *busy, const struct call *call,
                    int status)
{
    struct workers *workers = worker->workers;
    pthread_mutex_lock(&workers->lock);
    DL_DELETE(worker->busy, busy);
    if (status == 0)
        worker->counts = call->reply.is_counting;
    if (status == 0 && !call->reply.last && worker->listed && worker->channel_count < CHANNELS_MAX)
        worker->channels[worker->channel_count++] = busy->channel;
    else
        close(busy->channel);
    status = fail_call(worker, busy, call, status);
    pthread_mutex_unlock(&workers->lock);
    return status;
}

int worker_call(struct worker *worker, struct call *call, int64_t wait)
{
    struct busy_channel busy;
    const struct timespec deadline = clock_after(wait);
    call->request.wait = wait;
    int status = begin_call(worker, call, &busy);
    if (status < 0)
        return status;
    status = channel_call(busy.channel, call, &deadline);
    return end_call(worker, &busy, call, status);
}

/* ---- late calls -------------------------------------------------------------------------- */

/* One that nobody waits for any more. */
struct late_answer {
    struct late_call late_call;
    struct worker *worker;
    struct busy_channel busy;
    worker_late *late;
    void *data;
};

static void finish_late(struct late_call *late_call, int status)
{
    struct late_answer *this = (struct late_answer *)late_call;
    struct worker *worker = this->worker;
    status = end_call(worker, &this->busy, late_call->call, status);
    worker_put(worker);
    this->late(late_call->call, status, this->data);
    free(this);
}

/* Waits until there is an answer as a whole. Returns 1, or 0 after WAIT. */
static int await_answer(struct late_call *late_call, int64_t wait)
{
    const struct timespec end = clock_after(wait);
    int status = 0;
    while (status == 0) {
        struct pollfd poller = {.fd = late_call->channel, .events = POLLIN};
        int ready = wait > 0 ? poll(&poller, 1, clock_poll_timeout(&end)) : 0;
        if (ready > 0)
            status = channel_receive_some(late_call->channel, late_call->call, &late_call->answer);
        if (status == 0 && clock_is_past(&end))
            break;
    }
    return status;
}

int worker_ask(struct worker *worker, struct call *call, int64_t wait, worker_late *late,
               void *data)
{
    const struct timespec now = clock_now(); /* what cannot be sent at once is not */
    struct late_answer *this = calloc(1, sizeof(*this));
    if (!this)
        return -ENOMEM;
    this->worker = worker;
    this->late = late;
    this->data = data;
    this->late_call.call = call;
    this->late_call.done = finish_late;
    this->late_call.deadline = clock_add(now, worker_answer_time(worker));
    call->request.wait = worker_answer_time(worker);
    int status = begin_call(worker, call, &this->busy);
    if (status < 0) {
        free(this);
        return status;
    }
    this->late_call.channel = this->busy.channel;
    status = channel_send_call(this->late_call.channel, call, &now);
    if (status == 0)
        status = await_answer(&this->late_call, wait);
    else if (status == -ETIMEDOUT) /* the channel has no room: that is no silence */
        status = -EAGAIN;
    bool is_used = status == 0;
    if (is_used) {
        worker_use(worker);
        status = late_calls_add(worker->workers->late_calls, &this->late_call);
        if (status == 0)
            return -EINPROGRESS;
    }
    status = end_call(worker, &this->busy, call, status > 0 ? 0 : status);
    if (is_used)
        worker_put(worker);
    free(this);
    return status;
}
