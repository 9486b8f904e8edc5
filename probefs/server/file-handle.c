/* SPDX-License-Identifier: MIT */
#include "server/file-handle.h"

#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Names alone need no access to memory; a file that is not written needs none for writing. */
static enum probe_access access_for(const struct node_kind *kind, bool write)
{
    if (kind->type == NODE_STREAM) /* watching takes the right to write */
        return PROBE_WRITE;
    if (kind->type != NODE_FILE)
        return PROBE_NAMES;
    return write ? PROBE_WRITE : PROBE_READ;
}

void file_handle_init_call(struct call *call, const struct file *file, enum operation operation)
{
    const struct inode *inode = file->inode;
    *call = CALL_INIT;
    call->request.operation = operation;
    call->request.pid = inode->target->pid;
    call->request.id = inode->target->id;
    call->request.kind = (unsigned int)(file->kind - node_kinds);
    call->request.access = access_for(file->kind, file->write);
    call->request.file = file->number;
    call->request.lent = atomic_load(&file->lent);
    if (inode->probe)
        snprintf(call->request.probe, sizeof(call->request.probe), "%s", inode->probe);
}

int file_handle_call(struct server *server, struct file *file, struct call *call,
                     struct probe_error *error)
{
    struct target *target = file->inode->target;
    if (atomic_load(&target->is_gone)) {
        snprintf(error->text, sizeof(error->text), "process %d has ended or replaced its program",
                 target->pid);
        return -ESRCH;
    }
    int status = router_call(server->router, &file->route, call);
    if (status < 0)
        *error = call->reply.sentence;
    if (status == -ESRCH)
        atomic_store(&target->is_gone, true);
    return status;
}

bool file_is_hold(const struct file *file)
{
    return file->write && file->kind->keeper == KEPT_BY_WORKER;
}

bool file_has_hold(const struct file *file)
{
    return file->held.worker;
}

int file_handle_open(struct server *server, struct file *file, struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_OPEN);
    int status = file_handle_call(server, file, &call, error);
    atomic_store(&file->lent, call.request.lent);
    free(call.out);
    return status;
}

int file_handle_read(struct server *server, struct file *file, uint64_t offset, size_t size,
                     char **bytes, size_t *length, struct probe_error *error)
{
    struct call call;
    uint64_t end = atomic_load(&file->end);
    if (offset > 0 && end > 0 && offset >= end) {
        *bytes = NULL;
        *length = 0;
        return 0;
    }
    file_handle_init_call(&call, file, OPERATION_READ);
    call.request.offset = offset;
    call.request.size = (uint32_t)size;
    atomic_store(&file->has_text, true);
    int status = file_handle_call(server, file, &call, error);
    if (status < 0) {
        free(call.out);
        return status;
    }
    atomic_store(&file->end, call.reply.has_end ? offset + call.out_length : 0);
    if (call.reply.has_end)
        atomic_store(&file->has_text, false);
    /* A link says a path as it is; names, which a NUL ends, are checked one by one. */
    if (call.out && file->kind->type == NODE_FILE)
        text_clean(call.out, call.out_length);
    *bytes = call.out;
    *length = call.out_length;
    return 0;
}

void file_handle_close(struct server *server, struct file *file)
{
    struct call call;
    if (!atomic_load(&file->has_text))
        return;
    file_handle_init_call(&call, file, OPERATION_CLOSE);
    router_ask(server->router, &file->route, &call);
    free(call.out);
}
