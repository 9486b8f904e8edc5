/* SPDX-License-Identifier: MIT */
#include "server/guard.h"

#include "common/log-limit.h"
#include "server/file-handle.h"
#include "server/guard-message.h"
#include "server/shared-bytes.h"
#include "shared/clock.h"
#include "workers/channel.h"
#include "workers/packet.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long a hold waits for a guardian that does not read; somebody has stopped it. */
#define TELL_WAIT (CLOCK_SECOND / 10)

struct guard {
    struct worker_setup setup;
    pthread_mutex_t lock;
    /* Guarded by lock: */
    int socket;        /* to the guardian; -1: there is none */
    int process;       /* its pidfd */
    unsigned int turn; /* its number: there may have been others before it */
};

int guard_new(const struct workers_options *options, struct guard **result)
{
    struct guard *guard = calloc(1, sizeof(*guard));
    if (!guard)
        return -ENOMEM;
    guard->socket = -1;
    guard->setup =
        workers_setup(options, &(struct worker_identity){geteuid(), getegid(), WORKER_OF_SERVER});
    pthread_mutex_init(&guard->lock, NULL);
    *result = guard;
    return 0;
}

void guard_free(struct guard *guard)
{
    if (!guard)
        return;
    if (guard->socket >= 0) {
        close(guard->process);
        close(guard->socket);
    }
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

/* Called with the lock held, as all below. */
static int guardian_start(struct guard *guard)
{
    int ends[2];
    pid_t pid = 0;
    int status = channel_pair(ends);
    if (status < 0)
        return status;
    int server = (int)syscall(SYS_pidfd_open, getpid(), 0);
    status = server < 0 ? -errno : 0;
    if (status == 0)
        status = worker_spawn(GUARDIAN_NAME, &guard->setup,
                              &(struct worker_fds){ends[1], server, -1}, &pid);
    if (server >= 0)
        close(server);
    close(ends[1]);
    int process = status < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    if (status == 0 && process < 0)
        status = -errno;
    if (status < 0) {
        close(ends[0]);
        return status;
    }
    guard->socket = ends[0];
    guard->process = process;
    guard->turn++;
    log_message(PROBE_LOG_DEBUG, "process %d guards holds", pid);
    return 0;
}

/* It may have missed something: what it would give back might be given back already. */
static void guardian_end(struct guard *guard)
{
    syscall(SYS_pidfd_send_signal, guard->process, SIGKILL, NULL, 0);
    close(guard->process);
    close(guard->socket);
    guard->socket = -1;
}

static bool is_known(const struct guard *guard, const struct hold_entry *held)
{
    return guard->socket >= 0 && held->guardian == guard->turn;
}

/* The hold that the guardian has the same saved bytes of, or 0. */
static uint64_t find_same(const struct guard *guard, const struct hold_entry *held)
{
    if (is_known(guard, held))
        return held->file->number;
    bool is_alike = held->prev && held->prev->saved == held->saved && is_known(guard, held->prev);
    return is_alike ? held->prev->file->number : 0;
}

static int guard_tell(struct guard *guard, const struct guard_message *message, const int *fds,
                      size_t fd_count, const char *bytes)
{
    const struct timespec deadline = clock_after(TELL_WAIT);
    int status = packet_send(guard->socket, message, sizeof(*message), fds, fd_count, &deadline);
    if (status == 0)
        status = packets_send(guard->socket, bytes, message->length, &deadline);
    if (status < 0)
        guardian_end(guard);
    return status;
}

static int tell_kept(struct guard *guard, struct hold_entry *held, struct worker *worker)
{
    struct call call;
    struct guard_message message;
    struct worker_watch watch;
    int status = guard->socket < 0 ? guardian_start(guard) : 0;
    if (status < 0)
        return status;
    worker_watch(worker, &watch);
    file_handle_init_call(&call, held->file, OPERATION_HOLD_KEEP);
    memset(&message, 0, sizeof(message)); /* padding crosses, too */
    message.event = GUARD_KEPT;
    message.request = call.request;
    message.identity = held->file->route.identity;
    message.authority = held->file->route.authority;
    message.worker = watch.number;
    message.same_as = find_same(guard, held);
    message.length = message.same_as != 0 ? 0 : held->saved->length;
    const int fds[GUARD_FDS] = {[GUARD_FD_PROCESS] = watch.pidfd, [GUARD_FD_GIVEN] = watch.given};
    status = guard_tell(guard, &message, fds, GUARD_FDS, held->saved->bytes);
    held->guardian = status < 0 ? 0 : guard->turn;
    return status;
}

void guard_keep(struct guard *guard, struct hold_entry *held, struct worker *worker)
{
    static const struct log_reason no_guardian = {.most = 1};
    if (!guard || !held->saved)
        return;
    pthread_mutex_lock(&guard->lock);
    int status = tell_kept(guard, held, worker);
    pthread_mutex_unlock(&guard->lock);
    if (status < 0)
        log_limited(held->file->route.identity.uid, &no_guardian, PROBE_LOG_WARNING,
                    "the guardian of holds cannot be told of one (%s): if the server is killed at "
                    "the same time as a worker, holds may stay",
                    strerror(-status));
}

void guard_forget(struct guard *guard, struct hold_entry *held)
{
    struct guard_message message;
    if (!guard || held->guardian == 0)
        return;
    memset(&message, 0, sizeof(message));
    message.event = GUARD_FORGOTTEN;
    message.request.file = held->file->number;
    pthread_mutex_lock(&guard->lock);
    if (is_known(guard, held))
        guard_tell(guard, &message, NULL, 0, NULL);
    pthread_mutex_unlock(&guard->lock);
    held->guardian = 0;
}
