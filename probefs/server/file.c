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
    int status = router_begin(server->router, &user, authority, route);
    return status < 0 && !is_current(server, target) ? -ESTALE : status;
}

static int open_simple(struct server *server, struct file *file, struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_OPEN);
    int status = file_handle_open(server, file, &call, error);
    free(call.out);
    return status;
}

int file_open(struct server *server, struct inode *inode, const struct node_kind *kind,
              const struct caller *caller, bool write, struct file *result,
              struct probe_error *error)
{
    struct file file = {.inode = inode, .kind = kind, .write = write};
    int status = find_route(server, inode, caller, &file.route, error);
    if (status < 0)
        return status;
    *result = file; /* a hold's place in the target's list is in the caller's struct */
    status = hold_file_wait(inode->target, error);
    if (status == 0)
        status = file_is_hold(result) ? hold_file_open(server, result, error)
                                      : open_simple(server, result, error);
    if (status < 0 && result->handle == 0) {
        router_end(&result->route);
        return status == -ESRCH ? -ESTALE : status;
    }
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
    if (file->kind->outlives_server)
        return hold_file_read(server, file, offset, size, bytes, length, error);
    return file->kind->has_failures
               ? error_log_read(server, file, offset, size, bytes, length, error)
               : file_handle_read(server, file, offset, size, bytes, length, error);
}

/* ---- writing ---------------------------------------------------------------------------- */

int file_write(struct server *server, struct file *file, uint64_t owner, const char *bytes,
               size_t length, struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_WRITE);
    call.request.owner = owner;
    call.in = bytes;
    call.in_length = length;
    int status = hold_file_change(server, file, &call, error);
    if (status == 0 && length > 0)
        atomic_store(&file->cut, bytes[length - 1] != '\n');
    return status;
}

bool file_needs_flush(const struct file *file)
{
    return file->kind->flush && atomic_load(&file->cut);
}

int file_flush(struct server *server, struct file *file, uint64_t owner, struct probe_error *error)
{
    struct call call;
    if (!file_needs_flush(file))
        return 0;
    file_handle_init_call(&call, file, OPERATION_FLUSH);
    call.request.owner = owner;
    return hold_file_change(server, file, &call, error);
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
