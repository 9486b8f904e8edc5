/* SPDX-License-Identifier: MIT */
#include "server/hold-takeover.h"

#include "common/log-limit.h"
#include "server/file-handle.h"
#include "server/guard.h"

#include <errno.h>
#include <utlist.h>

/* So many users whose processes hang are left alone until a worker ends the next time. */
enum { HANGING_MAX = 64 };

bool takeover_is_due(const struct hold_entry *held)
{
    return held->saved && worker_is_gone(held->worker);
}

/* Another worker goes on with it. If that fails, it stays one of the worker that ended. */
static int takeover_move(struct server *server, struct hold_entry *held, struct probe_error *error)
{
    struct file *file = held->file;
    struct worker *worker = NULL;
    struct call call;
    int status = router_get_worker(server->router, &file->route, &worker);
    if (status < 0)
        return status;
    file_handle_init_call(&call, file, OPERATION_HOLD_KEEP);
    call.in = held->saved->bytes;
    call.in_length = held->saved->length;
    guard_keep(server->guard, held, worker);
    status = router_call_worker(server->router, &file->route, worker, &call);
    if (status < 0)
        *error = call.reply.sentence;
    free(call.out);
    worker_put(status < 0 ? worker : held->worker);
    if (status == 0)
        held->worker = worker;
    /* That is an answer: the worker still reads an object. */
    return status == -ETIMEDOUT && call.reply.error == ETIMEDOUT ? -EINPROGRESS : status;
}

int takeover_one(struct server *server, struct hold_entry *held, struct probe_error *error)
{
    static const struct log_reason stuck = {.most = 1};
    struct target *target = held->file->inode->target;
    int status = takeover_move(server, held, error);
    if (status == -ESRCH || status == -ENOENT) {
        guard_forget(server->guard, held);
        hold_list_end_claim(&server->budgets, held);
    } else if (status < 0 && !held->warned)
        log_limited(held->file->route.identity.uid, &stuck, PROBE_LOG_WARNING,
                    "process %d: a hold cannot be taken over yet: %s", target->pid, error->text);
    else if (status == 0)
        log_message(PROBE_LOG_INFO, "process %d: a hold was taken over from a worker that ended",
                    target->pid);
    held->warned = status < 0;
    if (status == 0)
        target->held.is_stuck = false;
    return status;
}

int takeover_all(struct server *server, struct hold_list *held)
{
    struct hold_entry *orphan = NULL;
    struct probe_error error = {.text = ""};
    int result = 0;
    DL_FOREACH(held->files, orphan)
    {
        int status = takeover_is_due(orphan) ? takeover_one(server, orphan, &error) : 0;
        /* What has no claim any more is settled. */
        if (status < 0 && orphan->saved)
            result = status;
        if (status == -ETIMEDOUT)
            return status;
    }
    return result;
}

/* ---- after the end of a worker ---------------------------------------------------------- */

/* The users whose processes did not answer in this round. */
struct hanging {
    uid_t users[HANGING_MAX];
    size_t count;
    bool locked; /* it was waited for a lock in vain: once is enough */
};

static bool hangs(const struct hanging *hanging, uid_t user)
{
    for (size_t i = 0; i < hanging->count; i++) {
        if (hanging->users[i] == user)
            return true;
    }
    return hanging->count == HANGING_MAX;
}

/*
 * One target. Each try of one that hangs ends a worker, whose holds are orphans then: so it is
 * tried once, and its user's others only in the next round, which begins with that end.
 */
static void look_after(struct server *server, struct target *target, struct hanging *hanging)
{
    struct hold_list *held = &target->held;
    if (hanging->locked ? pthread_mutex_trylock(&held->lock) != 0 : hold_list_lock(held) < 0) {
        hanging->locked = true;
        return;
    }
    const struct hold_entry *first = held->files;
    uid_t user = first ? first->file->route.identity.uid : 0;
    if (first && !held->is_stuck && !hangs(hanging, user)) {
        int status = takeover_all(server, held);
        held->is_stuck = status < 0;
        if (status == -ETIMEDOUT)
            hanging->users[hanging->count++] = user;
    }
    pthread_mutex_unlock(&held->lock);
}

static bool has_holds(const struct target *target)
{
    return atomic_load(&target->held.count) > 0;
}

void takeover_look_after(void *data)
{
    struct server *server = data;
    struct hanging hanging = {.count = 0};
    struct target **targets = NULL;
    size_t count = 0;
    if (inodes_get_targets(&server->inodes, has_holds, &targets, &count) < 0)
        return;
    for (size_t i = 0; i < count && !atomic_load(&server->ending); i++)
        look_after(server, targets[i], &hanging);
    inodes_put_targets(&server->inodes, targets, count);
}
