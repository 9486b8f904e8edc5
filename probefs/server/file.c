/* SPDX-License-Identifier: MIT */
#include "server/file.h"

#include "server/error-log.h"
#include "server/hold-file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_current(void *data, const struct target *target)
{
    struct server *server = data;
    struct probe_image_id id;
    return router_identify(server->router, target->pid, &id) == 0 &&
           probe_image_id_equal(&id, &target->id);
}

/* Whose process it is, at this moment. */
static int find_user(struct server *server, struct target *target, struct process_user *user)
{
    int process = inodes_get_process(&server->inodes, target, is_current, server);
    int status = process < 0 ? -ENOTTY : process_ask_user(process, user);
    return status == -ENOTTY ? process_find_user(target->pid, user) : status;
}

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
 * Whose process is it, and what may CALLER do with it? Whether the image is still the one that
 * INODE stands for, the service sees.
 */
static int find_route(struct server *server, const struct inode *inode, const struct caller *caller,
                      struct route *route, struct probe_error *error)
{
    struct process_user user;
    struct target *target = inode->target;
    if (find_user(server, target, &user) < 0)
        return -ESTALE;
    enum authority authority = caller_authority(caller, &user);
    if (authority == AUTHORITY_NONE) {
        if (!is_current(server, target))
            return -ESTALE;
        refuse_stranger(target, &user, caller, error);
        return -EACCES;
    }
    int status = router_find(server->router, &user, authority, route);
    return status < 0 && !is_current(server, target) ? -ESTALE : status;
}

int file_open(struct server *server, struct inode *inode, const struct node_kind *kind,
              const struct caller *caller, bool write, struct file *result,
              struct probe_error *error)
{
    *result = (struct file){.inode = inode, .kind = kind, .write = write};
    result->number = atomic_fetch_add(&server->last_file, 1) + 1;
    int status = find_route(server, inode, caller, &result->route, error);
    if (status < 0)
        return status;
    status = hold_file_wait(inode->target, error);
    if (status == 0)
        status = file_is_hold(result) ? hold_file_open(server, result, error)
                                      : file_handle_open(server, result, error);
    if (status < 0 && !file_has_hold(result))
        return status == -ESRCH ? -ESTALE : status;
    pthread_mutex_init(&result->lock, NULL);
    inodes_opened(&server->inodes, inode);
    return status;
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
    return hold_file_change(server, file, &call, error);
}

/* A worker gets whole lines; what is behind them stays here. Called with the file's lock held. */
static int write_lines(struct server *server, struct file *file, uint64_t owner, const char *bytes,
                       size_t length, struct probe_error *error)
{
    struct cut_text text;
    int status = cut_line_join(&file->cut, owner, bytes, length, &text, error);
    if (status < 0)
        return status;
    status = write_text(server, file, text.bytes, text.lines, error);
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
        cut_line_free(&file->cut);
        atomic_store(&file->is_cut, false);
    }
    pthread_mutex_unlock(&file->lock);
    return status;
}

int file_check(struct server *server, struct inode *inode, const struct caller *caller,
               struct probe_error *error)
{
    struct file file;
    int status = file_open(server, inode, &node_kinds[tree_directory(inode->place)], caller, false,
                           &file, error);
    if (status == 0)
        file_close(server, &file);
    return status;
}
