/* SPDX-License-Identifier: MIT */
#include "server/hold-file.h"

#include "server/guard.h"
#include "server/hold-takeover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Room for the names of probes that lose their references; mostly enough. */
enum { FORGETS_SIZE = 64 << 10 };

static int fail_held(const struct target *target, int status, struct probe_error *error)
{
    if (status < 0)
        snprintf(error->text, sizeof(error->text),
                 "process %d: what was asked before of holds on it was not answered in time: "
                 "something that its user's processes have mapped hangs, which has to be ended "
                 "first",
                 target->pid);
    return status;
}

/* What begins now is to see what was closed before. Errors: ETIMEDOUT. */
int hold_file_wait(struct target *target, struct probe_error *error)
{
    return fail_held(target, hold_list_wait(&target->held), error);
}

static int lock_holds(struct target *target, struct probe_error *error)
{
    return fail_held(target, hold_list_lock(&target->held), error);
}

/* The claims on the probes in NAMES, each ended by a NUL, have ended. Called with the holds' lock.
 */
static void hold_file_end_claims(struct server *server, struct hold_list *held, const char *names,
                                 size_t length)
{
    struct hold_entry *file = NULL;
    DL_FOREACH(held->files, file)
    {
        const char *probe = file->file->inode->probe;
        for (size_t at = 0; at < length && file->saved;
             at += strnlen(names + at, length - at) + 1) {
            if (strncmp(names + at, probe, length - at) != 0)
                continue;
            guard_forget(server->guard, file);
            hold_list_end_claim(&server->budgets, file);
        }
    }
}

/* Takes the reference in WORKER, which keeps it. Called with the holds' lock. */
static int take_in(struct server *server, struct file *file, struct worker *worker,
                   struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_HOLD_TAKE);
    int status = router_call_worker(server->router, &file->route, worker, &call);
    atomic_store(&file->lent, call.request.lent);
    if (status < 0)
        *error = call.reply.sentence;
    if (status == 0 || call.reply.is_held) {
        file->held = (struct hold_entry){.file = file, .worker = worker};
        hold_list_add(&file->inode->target->held, &file->held);
    }
    if (status < 0 || call.out_length == 0) {
        free(call.out);
        return status;
    }
    /* What was there a moment ago, may be used up by now: then nobody takes this hold over. */
    struct probe_error ignored;
    shared_bytes_get(&server->budgets, file->user, call.out, call.out_length, &file->inode->saved,
                     &file->held.saved, &ignored);
    guard_keep(server->guard, &file->held, worker);
    return 0;
}

/* Is there as much left of the user's budget as it may be saved in? */
static int check_budget(struct server *server, const struct file *file, struct probe_error *error)
{
    int status = budget_take(&server->budgets, file->user, BUDGET_MEMORY, SAVED_MAX, error);
    if (status == 0)
        budget_give(&server->budgets, file->user, BUDGET_MEMORY, SAVED_MAX);
    return status;
}

static int hold_file_take(struct server *server, struct file *file, struct probe_error *error)
{
    struct worker *worker = NULL;
    int status = check_budget(server, file, error);
    if (status == 0)
        status = router_get_worker(server->router, &file->route, &worker);
    if (status < 0)
        return status;
    status = take_in(server, file, worker, error);
    if (!file_has_hold(file))
        worker_put(worker);
    return status;
}

int hold_file_open(struct server *server, struct file *file, struct probe_error *error)
{
    struct hold_list *held = &file->inode->target->held;
    int status = lock_holds(file->inode->target, error);
    if (status < 0)
        return status;
    takeover_all(server, held);
    status = hold_file_take(server, file, error);
    /* The end of its worker may have been looked after before there was this one. */
    if (status == 0 && takeover_is_due(&file->held))
        takeover_all(server, held);
    pthread_mutex_unlock(&held->lock);
    return status;
}

/* Holds are counted where they are kept; so those that are kept nowhere are looked after first. */
int hold_file_read(struct server *server, struct file *file, uint64_t offset, size_t size,
                   char **bytes, size_t *length, struct probe_error *error)
{
    struct hold_list *held = &file->inode->target->held;
    int status = lock_holds(file->inode->target, error);
    if (status < 0)
        return status;
    takeover_all(server, held);
    status = file_handle_read(server, file, offset, size, bytes, length, error);
    pthread_mutex_unlock(&held->lock);
    return status;
}

/* Tells the workers that keep holds whose counters were set. */
static void hold_file_forward_forgets(struct file *file, const struct call *done)
{
    const struct hold_list *held = &file->inode->target->held;
    const struct hold_entry *holder = NULL;
    const struct worker *told = NULL;
    DL_FOREACH(held->files, holder)
    {
        struct call call;
        if (holder->worker == told)
            continue;
        file_handle_init_call(&call, file, OPERATION_HOLD_FORGET);
        call.in = done->out;
        call.in_length = done->out_length;
        router_ask_worker(holder->worker, &call);
        free(call.out);
        told = holder->worker;
    }
}

int hold_file_change(struct server *server, struct file *file, struct call *call,
                     struct probe_error *error)
{
    struct hold_list *held = &file->inode->target->held;
    int status = hold_file_wait(file->inode->target, error);
    if (status == 0)
        status = lock_holds(file->inode->target, error);
    if (status < 0)
        return status;
    takeover_all(server, held);
    call->request.report_forgets = held->files != NULL;
    if (held->files) {
        call->spare = malloc(FORGETS_SIZE);
        call->spare_size = FORGETS_SIZE;
        status = call->spare ? 0 : -ENOMEM;
    }
    if (status == 0)
        status = file_handle_call(server, file, call, error);
    if (status == 0 && call->out_length > 0) {
        hold_file_end_claims(server, held, call->out, call->out_length);
        hold_file_forward_forgets(file, call);
    }
    pthread_mutex_unlock(&held->lock);
    free(call->spare);
    free(call->out);
    return status;
}
