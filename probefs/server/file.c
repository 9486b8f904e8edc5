/* SPDX-License-Identifier: MIT */
#include "server/file.h"

#include "server/error-log.h"
#include "server/hold-file.h"
#include "server/watching.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void refuse_stranger(const struct target *target, const struct process_user *user,
                            const struct caller *caller, struct probe_error *error)
{
    snprintf(error->text, sizeof(error->text),
             "process %d belongs to user %u and group %u; user %u and group %u%s may not look into "
             "it: ask with its user and group, as root, or as a member of the mount's group "
             "(-o gid=)",
             target->pid, user->uid, user->gid, caller->uid, caller->gid,
             caller->pid == 0   ? " in another pid namespace"
             : caller->uid == 0 ? " without CAP_SYS_PTRACE in the server's user namespace"
                                : "");
}

/*
 * Whose process is it, and what may CALLER do with it? Whether it still is what INODE stands for,
 * its worker sees.
 */
static int find_route(struct server *server, struct target *target, int process,
                      const struct caller *caller, struct route *route, struct probe_error *error)
{
    struct process_user user;
    int status = process_find_user(target->pid, process, &user);
    if (status < 0)
        return status == -ENOENT ? -ESTALE : status;
    enum authority authority = caller_authority(caller, &user);
    if (authority != AUTHORITY_NONE)
        return router_find(server->router, &user, authority, &target->silence, route);
    refuse_stranger(target, &user, caller, error);
    return -EACCES;
}

/* Which image is it, of a target that was met before anybody knew? */
static int identify(struct server *server, struct target *target, const struct route *route,
                    struct probe_error *error)
{
    struct call call = CALL_INIT;
    if (atomic_load(&target->identified))
        return 0;
    call.request.operation = OPERATION_FIND;
    call.request.pid = target->pid;
    call.request.any_image = true;
    int status = router_call(server->router, route, &call);
    free(call.out);
    if (status < 0)
        *error = call.reply.sentence;
    return status < 0 ? status : inodes_identify(&server->inodes, target, &call.reply.id);
}

/*
 * What says why all else fails can be read when all else fails: the failures are with the server.
 * A target that has gone is no such thing.
 */
static bool opens_anyway(const struct file *file, int status)
{
    return file->kind->has_failures && status != -ESRCH && status != -ENOENT && status != -ESTALE &&
           status != -ENOMEM;
}

static int open_by_route(struct server *server, struct file *file, struct probe_error *error)
{
    struct target *target = file->inode->target;
    int status = identify(server, target, &file->route, error);
    if (status == 0)
        status = hold_file_wait(target, error);
    if (status < 0)
        return status;
    status = file_is_hold(file) ? hold_file_open(server, file, error)
                                : file_handle_open(server, file, error);
    return status;
}

/* If the target was FOUND since PROCESS was opened, and that has not ended, it is the target's. */
static void keep_process(struct server *server, struct target *target, bool found, int process)
{
    if (process >= 0 && (!found || process_has_ended(process) ||
                         !inodes_keep_process(&server->inodes, target, process)))
        close(process);
}

int file_open(struct server *server, struct inode *inode, const struct node_kind *kind,
              const struct caller *caller, bool write, struct file *result,
              struct probe_error *error)
{
    struct target *target = inode->target;
    int kept = inodes_get_process(target);
    int process = kept < 0 ? process_open(target->pid) : -1;
    *result = (struct file){.inode = inode,
                            .kind = kind,
                            .write = write,
                            .user = caller->uid,
                            .counted = result->counted};
    result->number = atomic_fetch_add(&server->last_file, 1) + 1;
    int status =
        find_route(server, target, kept < 0 ? process : kept, caller, &result->route, error);
    /* To read what is counted begins nothing. */
    if (status == 0 && kind->watches && (write || kind->type == NODE_STREAM))
        status = watching_check(server, result, error);
    if (status == 0) {
        status = open_by_route(server, result, error);
        if (status < 0 && opens_anyway(result, status))
            status = 0;
    }
    keep_process(server, target, status == 0, process);
    if (status < 0 && !file_has_hold(result))
        return status == -ESRCH ? -ESTALE : status;
    pthread_mutex_init(&result->lock, NULL);
    inodes_opened(&server->inodes, inode);
    return status;
}

int file_count(struct server *server, struct file *file, uid_t user, struct probe_error *error)
{
    int status = budget_take(&server->budgets, user, BUDGET_FILES, 1, error);
    if (status < 0)
        return status;
    status = budget_take(&server->budgets, user, BUDGET_MEMORY, sizeof(*file), error);
    if (status < 0)
        budget_give(&server->budgets, user, BUDGET_FILES, 1);
    else
        file->counted = sizeof(*file);
    file->user = user;
    return status;
}

void file_uncount(struct server *server, struct file *file)
{
    if (file->counted == 0)
        return;
    budget_give(&server->budgets, file->user, BUDGET_MEMORY, file->counted);
    budget_give(&server->budgets, file->user, BUDGET_FILES, 1);
    file->counted = 0;
}

/* ---- reading ---------------------------------------------------------------------------- */

int file_read(struct server *server, struct file *file, uint64_t offset, size_t size, char **bytes,
              size_t *length, struct probe_error *error)
{
    int status = hold_file_wait(file->inode->target, error);
    if (status < 0)
        return status;
    if (file->kind->keeper == KEPT_BY_WORKER)
        return hold_file_read(server, file, offset, size, bytes, length, error);
    return file->kind->has_failures
               ? error_log_read(server, file, offset, size, bytes, length, error)
               : file_handle_read(server, file, offset, size, bytes, length, error);
}

/* ---- writing ---------------------------------------------------------------------------- */

static int write_text(struct server *server, struct file *file, const char *text, size_t length,
                      struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_WRITE);
    call.in = text;
    call.in_length = length;
    return file->kind->watches ? watching_change(server, file, &call, error)
                               : hold_file_change(server, file, &call, error);
}

void file_forget_cut(struct server *server, struct file *file)
{
    budget_give(&server->budgets, file->user, BUDGET_MEMORY, file->cut.length);
    cut_line_free(&file->cut);
}

/* A worker gets whole lines; what is behind them stays here. Called with the file's lock held. */
static int write_lines(struct server *server, struct file *file, uint64_t owner, const char *bytes,
                       size_t length, struct probe_error *error)
{
    struct cut_text text;
    size_t before = file->cut.length;
    int status = cut_line_join(&file->cut, owner, bytes, length, &text, error);
    budget_give(&server->budgets, file->user, BUDGET_MEMORY, before);
    if (status < 0)
        return status;
    size_t rest = text.rest.length;
    status = budget_take(&server->budgets, file->user, BUDGET_MEMORY, rest, error);
    if (status == 0) {
        status = write_text(server, file, text.bytes, text.lines, error);
        if (status < 0)
            budget_give(&server->budgets, file->user, BUDGET_MEMORY, rest);
    }
    if (status == 0)
        file->cut = text.rest;
    else
        cut_line_free(&text.rest);
    free(text.bytes);
    return status;
}

int file_write(struct server *server, struct file *file, uint64_t owner, const char *bytes,
               size_t length, struct probe_error *error)
{
    if (!file->kind->by_lines)
        return write_text(server, file, bytes, length, error);
    pthread_mutex_lock(&file->lock);
    int status = write_lines(server, file, owner, bytes, length, error);
    atomic_store(&file->is_cut, file->cut.length > 0);
    pthread_mutex_unlock(&file->lock);
    return status;
}

bool file_needs_flush(const struct file *file)
{
    return atomic_load(&file->is_cut);
}

int file_flush(struct server *server, struct file *file, uint64_t owner, struct probe_error *error)
{
    int status = 0;
    if (!file_needs_flush(file))
        return 0;
    pthread_mutex_lock(&file->lock);
    /* Not that of others, which inherited the descriptor and close it. */
    if (file->cut.length > 0 && file->cut.owner == owner) {
        status = write_text(server, file, file->cut.text, file->cut.length, error);
        file_forget_cut(server, file);
        atomic_store(&file->is_cut, false);
    }
    pthread_mutex_unlock(&file->lock);
    return status;
}

int file_check(struct server *server, struct inode *inode, const struct caller *caller,
               struct probe_error *error)
{
    struct file file = {.inode = NULL};
    int status = file_open(server, inode, &node_kinds[tree_directory(inode->place)], caller, false,
                           &file, error);
    if (status == 0)
        file_close(server, &file);
    return status;
}
