/* SPDX-License-Identifier: MIT */
#include "server/hold-file.h"

#include "server/hold-takeover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Room for the names of probes that lose their references; mostly enough. */
enum { RESETS_SIZE = 64 << 10 };

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
static void hold_file_end_claims(struct hold_list *held, const char *names, size_t length)
{
    struct hold_entry *file = NULL;
    DL_FOREACH(held->files, file)
    {
        const char *probe = file->file->inode->probe;
        for (size_t at = 0; at < length && file->saved;
             at += strnlen(names + at, length - at) + 1) {
            if (strncmp(names + at, probe, length - at) == 0)
                hold_list_end_claim(file);
        }
    }
}

int hold_file_open(struct server *server, struct file *file, struct probe_error *error)
{
    struct call call;
    struct hold_list *held = &file->inode->target->held;
    file_handle_init_call(&call, file, OPERATION_OPEN);
    int status = lock_holds(file->inode->target, error);
    if (status < 0)
        return status;
    takeover_all(server, held);
    status = file_handle_open(server, file, &call, error);
    if (status == 0 || file->handle != 0) {
        file->held = (struct hold_entry){.file = file};
        hold_list_add(held, &file->held);
    }
    if (status == 0 && call.out_length > 0) {
        file->held.saved = call.out;
        file->held.saved_length = call.out_length;
        call.out = NULL;
    }
    /* The end of its worker may have been looked after before there was this one. */
    if (status == 0 && takeover_is_due(&file->held))
        takeover_all(server, held);
    pthread_mutex_unlock(&held->lock);
    free(call.out);
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

/* Tells the workers that keep holds, but for the one that FILE is in, whose counters were set. */
static void hold_file_forward_resets(struct server *server, struct file *file,
                                     const struct call *done)
{
    const struct hold_list *held = &file->inode->target->held;
    const struct hold_entry *holder = NULL;
    const struct worker *told = file->route.worker;
    DL_FOREACH(held->files, holder)
    {
        struct worker *worker = holder->file->route.worker;
        if (worker == file->route.worker || worker == told)
            continue;
        /* It looks at no memory, and so is lent none. */
        const struct route route = {worker, AUTHORITY_NONE, file->route.uid};
        struct call call;
        file_handle_init_call(&call, file, OPERATION_RESET);
        call.in = done->out;
        call.in_length = done->out_length;
        file_handle_call(server, &route, &call, NULL);
        free(call.out);
        told = worker;
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
    call->request.report_resets = held->files;
    if (held->files) {
        call->spare = malloc(RESETS_SIZE);
        call->spare_size = RESETS_SIZE;
        status = call->spare ? 0 : -ENOMEM;
    }
    if (status == 0)
        status = file_handle_call(server, &file->route, call, error);
    if (status == 0 && call->out_length > 0) {
        hold_file_end_claims(held, call->out, call->out_length);
        hold_file_forward_resets(server, file, call);
    }
    pthread_mutex_unlock(&held->lock);
    free(call->spare);
    free(call->out);
    return status;
}
