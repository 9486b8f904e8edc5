/* SPDX-License-Identifier: MIT */
#include "server/file-handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Names alone need no access to memory; a file that is not written needs none for writing. */
static enum probe_access access_for(const struct node_kind *kind, bool write)
{
    if (kind->type != NODE_FILE)
        return PROBE_NAMES;
    return write ? PROBE_WRITE : PROBE_READ;
}

void file_handle_init_call(struct call *call, const struct file *file, enum operation operation)
{
    const struct inode *inode = file->inode;
    *call = CALL_INIT;
    call->request.access = access_for(file->kind, file->write);
    call->request.handle = file->handle;
    call->request.operation = operation;
    call->request.pid = inode->target->pid;
    call->request.id = inode->target->id;
    if (inode->probe)
        snprintf(call->request.probe, sizeof(call->request.probe), "%s", inode->probe);
}

/* Makes the call; its sentence is the error's. */
int file_handle_call(struct server *server, const struct route *route, struct call *call,
                     struct probe_error *error)
{
    int status = router_call(server->router, route, call);
    if (status < 0 && error)
        *error = call->reply.sentence;
    return status;
}

bool file_is_hold(const struct file *file)
{
    return file->write && file->kind->outlives_server;
}

/* Opens the handle of FILE, whose route and inode are known; CALL brings, and gets, a payload. */
int file_handle_open(struct server *server, struct file *file, struct call *call,
                     struct probe_error *error)
{
    call->request.kind = (unsigned int)(file->kind - node_kinds);
    call->request.write = file->write;
    int status = router_call_first(server->router, &file->route, call);
    if (status < 0)
        *error = call->reply.sentence;
    if (status == 0 || call->reply.handle != 0)
        file->handle = call->reply.handle;
    return status;
}

int file_handle_reopen(struct server *server, struct file *file, const char *bytes, size_t length,
                       struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_OPEN);
    call.in = bytes;
    call.in_length = length;
    int status = file_handle_open(server, file, &call, error);
    free(call.out);
    return status;
}

int file_handle_close(struct server *server, struct file *file, struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_RELEASE);
    int status = file_handle_call(server, &file->route, &call, error);
    free(call.out);
    return status;
}

int file_handle_read(struct server *server, struct file *file, uint64_t offset, size_t size,
                     char **bytes, size_t *length, struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_READ);
    call.request.offset = offset;
    call.request.size = (uint32_t)size;
    int status = file_handle_call(server, &file->route, &call, error);
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
