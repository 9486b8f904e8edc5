/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is the image still the one that INODE stands for, and what may CALLER do with it? */
static int find_route(struct server *server, const struct inode *inode, const struct caller *caller,
                      struct route *route, struct probe_error *error)
{
    struct probe_image_id id;
    struct process_user user;
    pid_t pid = inode->target->pid;
    if (router_identify(server->router, pid, &id) < 0 ||
        !probe_image_id_equal(&id, &inode->target->id) || process_find_user(pid, &user) < 0)
        return -ESTALE;
    enum authority authority = caller_authority(caller, &user);
    if (authority == AUTHORITY_NONE) {
        snprintf(error->text, sizeof(error->text),
                 "process %d belongs to user %u: user %u%s may not look into it", pid, user.uid,
                 caller->uid,
                 caller->pid == 0   ? " in another pid namespace"
                 : caller->uid == 0 ? " without CAP_SYS_PTRACE in the server's user namespace"
                                    : "");
        return -EACCES;
    }
    return router_begin(server->router, &user, caller->gid, authority, route);
}

static void init_call(struct call *call, const struct inode *inode, enum operation operation)
{
    *call = CALL_INIT;
    call->request.operation = operation;
    call->request.pid = inode->target->pid;
    call->request.id = inode->target->id;
    if (inode->probe)
        snprintf(call->request.probe, sizeof(call->request.probe), "%s", inode->probe);
}

/* Makes the call; its sentence is the error's. */
static int make_call(struct server *server, const struct route *route, struct call *call,
                     struct probe_error *error)
{
    int status = router_call(server->router, route, call);
    if (status < 0 && error)
        *error = call->reply.sentence;
    return status;
}

int file_open(struct server *server, struct inode *inode, unsigned int kind,
              const struct caller *caller, bool write, struct file *file, struct probe_error *error)
{
    struct call call;
    struct route route;
    int status = find_route(server, inode, caller, &route, error);
    if (status < 0)
        return status;
    init_call(&call, inode, OPERATION_OPEN);
    call.request.kind = kind;
    call.request.write = write;
    status = make_call(server, &route, &call, error);
    free(call.out);
    if (status < 0) {
        router_end(&route);
        return status == -ESRCH || status == -ENOENT ? -ESTALE : status;
    }
    *file = (struct file){inode, route, call.reply.handle};
    inodes_opened(&server->inodes, inode);
    return 0;
}

void file_close(struct server *server, struct file *file)
{
    struct call call;
    init_call(&call, file->inode, OPERATION_RELEASE);
    call.request.handle = file->handle;
    make_call(server, &file->route, &call, NULL);
    free(call.out);
    router_end(&file->route);
    inodes_closed(&server->inodes, file->inode);
}

int file_read(struct server *server, struct file *file, uint64_t offset, size_t size, char **bytes,
              size_t *length, struct probe_error *error)
{
    struct call call;
    init_call(&call, file->inode, OPERATION_READ);
    call.request.handle = file->handle;
    call.request.offset = offset;
    call.request.size = (uint32_t)size;
    int status = make_call(server, &file->route, &call, error);
    if (status == 0 && call.out_length > size)
        status = -EIO;
    if (status < 0) {
        free(call.out);
        return status;
    }
    *bytes = call.out;
    *length = call.out_length;
    return 0;
}

int file_write(struct server *server, struct file *file, const char *bytes, size_t length,
               struct probe_error *error)
{
    struct call call;
    init_call(&call, file->inode, OPERATION_WRITE);
    call.request.handle = file->handle;
    call.in = bytes;
    call.in_length = length;
    int status = make_call(server, &file->route, &call, error);
    free(call.out);
    return status;
}

int file_check(struct server *server, struct inode *inode, const struct caller *caller,
               struct probe_error *error)
{
    struct file file;
    int status =
        file_open(server, inode, tree_directory(inode->place), caller, false, &file, error);
    if (status == 0)
        file_close(server, &file);
    return status;
}
