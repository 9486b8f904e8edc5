/* SPDX-License-Identifier: MIT */
/*
 * How open files are closed. For most that is one call. A hold has to be given back, whatever
 * became of its worker and of memory meanwhile, and those of a user wait for each other.
 */
#include "server/file.h"

#include "common/log-limit.h"
#include "server/guard.h"
#include "server/hold-takeover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

/* Between the first two tries to close a hold, and between later ones. */
enum { AGAIN_NS = 10000000, AGAIN_MAX_NS = 640000000 };

/* Errors: EINPROGRESS its worker cannot yet, and keeps it until it is asked again. */
static int give_back(struct server *server, struct file *file, struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_HOLD_GIVE);
    guard_forget(server->guard, &file->held);
    int status = router_call_worker(server->router, &file->route, file->held.worker, &call);
    if (status < 0)
        *error = call.reply.sentence;
    free(call.out);
    return status < 0 && call.reply.is_held ? -EINPROGRESS : status;
}

/*
 * Where the worker has ended, or ends in the middle, another gives the reference back. (One that
 * does not answer hangs where it looks at the target, and has written nothing yet.) Returns false
 * where that is to be tried again, as there is no memory, or no worker to be had, or as a worker
 * still reads an object: then all is as before. Else the hold is not in HELD any more.
 */
static bool close_hold(struct server *server, struct hold_list *held, struct file *file,
                       int *result, struct probe_error *error)
{
    pthread_mutex_lock(&held->lock);
    int status = worker_is_gone(file->held.worker) ? -EIO : give_back(server, file, error);
    if (status < 0 && takeover_is_due(&file->held)) {
        status = takeover_one(server, &file->held, error);
        if (status == 0)
            status = give_back(server, file, error);
    }
    bool done = status != -ENOMEM && status != -EINPROGRESS &&
                (status != -EIO || !takeover_is_due(&file->held));
    *result = file->held.saved ? status : 0;
    if (done) {
        hold_list_end_claim(&server->budgets, &file->held);
        hold_list_remove(held, &file->held);
    } else {
        guard_keep(server->guard, &file->held, file->held.worker);
    }
    pthread_mutex_unlock(&held->lock);
    return done;
}

/*
 * Nobody would close it another time; so it is tried for as long as the server runs. Looks do not
 * wait for that: what they see is so.
 */
static int close_hold_at_last(struct server *server, struct file *file, struct probe_error *error)
{
    struct timespec pause = {.tv_nsec = AGAIN_NS};
    struct hold_list *held = &file->inode->target->held;
    int status = 0;
    bool done = close_hold(server, held, file, &status, error);
    hold_list_end_release(held, status);
    while (!done && !atomic_load(&server->ending)) {
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < AGAIN_MAX_NS)
            pause.tv_nsec *= 2;
        done = close_hold(server, held, file, &status, error);
    }
    if (!done) { /* the worker's end releases it */
        pthread_mutex_lock(&held->lock);
        hold_list_end_claim(&server->budgets, &file->held);
        hold_list_remove(held, &file->held);
        pthread_mutex_unlock(&held->lock);
    }
    return status;
}

void file_expect_close(struct file *file)
{
    if (file_is_hold(file))
        hold_list_expect_release(&file->inode->target->held);
}

static int close_any(struct server *server, struct file *file)
{
    static const struct log_reason lost = {.most = 5};
    struct probe_error error = {.text = ""};
    int status = 0;
    if (file_has_hold(file)) {
        status = close_hold_at_last(server, file, &error);
        worker_put(file->held.worker);
    }
    file_handle_close(server, file);
    if (status < 0)
        log_limited(file->route.identity.uid, &lost, PROBE_LOG_WARNING,
                    "process %d: a hold was not given back: %s", file->inode->target->pid,
                    error.text[0] ? error.text : strerror(-status));
    pthread_mutex_destroy(&file->lock);
    file_forget_cut(server, file);
    shared_bytes_put(&server->budgets, file->text);
    inodes_closed(&server->inodes, file->inode);
    file_uncount(server, file);
    return status;
}

void file_close(struct server *server, struct file *file)
{
    close_any(server, file);
}

/* The holds on processes of USER that wait to be closed. Called with the lock held. */
static struct closing *find_closing(struct server *server, uid_t user)
{
    struct closing *closing = NULL;
    LL_SEARCH_SCALAR(server->closing, closing, user, user);
    return closing;
}

static int close_for_good(struct server *server, struct file *file)
{
    int status = close_any(server, file);
    free(file);
    return status;
}

/*
 * Whoever closes one closes those that come meanwhile: each may take seconds where the process does
 * not answer, and there may be thousands. So, at the server's end, those behind one that was not
 * answered are left to their workers, which release what they hold when they see that end.
 */
static void close_holds(struct server *server, struct file *file)
{
    struct closing mine = {.user = file->route.identity.uid};
    pthread_mutex_lock(&server->closing_lock);
    struct closing *closing = find_closing(server, mine.user);
    if (closing)
        DL_APPEND(closing->files, file);
    else
        LL_PREPEND(server->closing, &mine);
    for (struct file *next = closing ? NULL : file; next;) {
        pthread_mutex_unlock(&server->closing_lock);
        int status = close_for_good(server, next);
        bool leave = status == -ETIMEDOUT && atomic_load(&server->ending);
        pthread_mutex_lock(&server->closing_lock);
        next = leave ? NULL : mine.files;
        if (next)
            DL_DELETE(mine.files, next);
        else
            LL_DELETE(server->closing, &mine);
    }
    pthread_mutex_unlock(&server->closing_lock);
}

void file_release(struct server *server, struct file *file)
{
    if (file_is_hold(file))
        close_holds(server, file);
    else
        close_for_good(server, file);
}
