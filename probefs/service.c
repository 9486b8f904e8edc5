/* SPDX-License-Identifier: MIT */
/*
 * A call goes through three steps: find the target, get access to its image, do one thing.
 *
 * Access: an open asks the kernel anew, at that moment, with the identity of this process. What was
 * opened then stays with the target, for reads and writes of the handles. Where the kernel
 * refuses, the reply says what was needed; the server may then send the same call with an image
 * that it opened itself, which is used for that one call.
 *
 * Lock order: one target's lock, then the tables' locks (each for a moment).
 */
#include "service.h"

#include "log.h"
#include "service-targets.h"
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct handle {
    uint64_t number;
    const struct node_kind *kind;
    struct service_target *target;
    enum probe_access access;
    bool borrowed; /* opened through an image that the server sent */
    char probe[PROBE_NAME_SIZE];
    char *text; /* what the last read from the beginning gave; guarded by the target's lock */
    size_t length;
    UT_hash_handle hh;
};

struct service {
    struct probe_engine *engine;
    struct service_targets targets;
    pthread_mutex_t lock;
    struct handle *handles; /* by number; guarded by lock */
    uint64_t last_handle;   /* likewise */
};

int service_new(struct service **result)
{
    struct service *service = calloc(1, sizeof(*service));
    struct probe_engine_options options = {.log = log_from_engine};
    if (!service)
        return -ENOMEM;
    int status = probe_engine_new(&options, &service->engine);
    if (status == 0)
        status = service_targets_init(&service->targets, service->engine);
    if (status < 0) {
        probe_engine_free(service->engine);
        free(service);
        return status;
    }
    pthread_mutex_init(&service->lock, NULL);
    *result = service;
    return 0;
}

static void handle_free(struct service *service, struct handle *handle)
{
    service_targets_put(&service->targets, handle->target, true);
    free(handle->text);
    free(handle);
}

void service_free(struct service *service)
{
    if (!service)
        return;
    struct handle *handle = NULL;
    struct handle *next = NULL;
    HASH_ITER (hh, service->handles, handle, next) {
        HASH_DEL(service->handles, handle);
        handle_free(service, handle);
    }
    service_targets_done(&service->targets);
    probe_engine_free(service->engine);
    pthread_mutex_destroy(&service->lock);
    free(service);
}

/* ---- access ----------------------------------------------------------------------------- */

/* Tells the server what it would have to open. */
static int needs_image(struct service *service, struct call *call, enum probe_access access,
                       int status)
{
    struct probe_image maps;
    call->reply.needs_image = true;
    call->reply.needs = access;
    if (access > PROBE_NAMES &&
        probe_image_open(service->engine, call->request.pid, PROBE_NAMES, &maps, NULL) == 0) {
        call->reply.sees_maps = probe_image_id_equal(&maps.id, &call->request.id);
        probe_image_done(&maps);
    }
    return status;
}

/* Attaches an image that was just opened, by this process or by the server. */
static int attach_new(struct service *service, struct service_target *target, struct call *call,
                      enum probe_access access)
{
    struct probe_error *error = &call->reply.sentence;
    struct probe_image image = call->image;
    call->image = PROBE_IMAGE_NONE;
    if (image.pid == 0) {
        int status = probe_image_open(service->engine, call->request.pid, access, &image, error);
        if (status == -EACCES || status == -EPERM)
            return needs_image(service, call, access, status);
        if (status < 0)
            return status;
        /* The kernel has just agreed; what is open already may allow more, and serves as well. */
        if (probe_image_id_equal(&image.id, &target->id) &&
            probe_target_access(target->target) >= access &&
            probe_target_look(target->target, NULL) == 0) {
            probe_image_done(&image);
            return 0;
        }
    }
    if (!probe_image_id_equal(&image.id, &target->id)) {
        probe_image_done(&image);
        snprintf(error->text, sizeof(error->text), "process %d has ended or replaced its program",
                 target->pid);
        return -ESRCH;
    }
    return probe_target_attach(target->target, &image, error);
}

/* Ends what a borrowed image allowed. */
static void end_access(struct service_target *target, bool borrowed)
{
    if (borrowed)
        probe_target_detach(target->target);
}

/* ---- find and scan ---------------------------------------------------------------------- */

static int find(struct service *service, struct call *call)
{
    struct service_target *target = NULL;
    bool borrowed = call->image.pid != 0;
    int status =
        service_targets_get(&service->targets, call->request.pid, &call->request.id, &target);
    if (status < 0)
        return status;
    pthread_mutex_lock(&target->lock);
    /* What is open already, for reading say, shows the names as well. */
    if (borrowed || probe_target_look(target->target, NULL) < 0)
        status = attach_new(service, target, call, PROBE_NAMES);
    size_t count = status == 0 ? probe_target_count(target->target) : 0;
    if (status == 0 &&
        (call->request.probe[0] ? probe_target_find(target->target, call->request.probe) < 0
                                : count == 0))
        status = -ENOENT;
    end_access(target, borrowed);
    pthread_mutex_unlock(&target->lock);
    service_targets_put(&service->targets, target, count > 0);
    return status;
}

static int scan(struct service *service, struct call *call)
{
    size_t count = call->in_length / sizeof(struct scan_entry);
    struct scan_entry *entries = calloc(count + 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    if (count > 0)
        memcpy(entries, call->in, count * sizeof(*entries));
    for (size_t i = 0; i < count; i++) {
        struct call one = CALL_INIT;
        one.request.operation = OPERATION_FIND;
        one.request.pid = entries[i].pid;
        one.request.id = entries[i].id;
        entries[i].has_probes = find(service, &one) == 0;
        entries[i].needs_image = one.reply.needs_image;
    }
    call->out = (char *)entries;
    call->out_length = count * sizeof(*entries);
    return 0;
}

/* ---- handles ---------------------------------------------------------------------------- */

static int add_handle(struct service *service, struct handle *handle)
{
    pthread_mutex_lock(&service->lock);
    handle->number = ++service->last_handle;
    HASH_ADD(hh, service->handles, number, sizeof(handle->number), handle);
    bool added = handle->hh.tbl != NULL;
    pthread_mutex_unlock(&service->lock);
    return added ? 0 : -ENOMEM;
}

static struct handle *find_handle(struct service *service, uint64_t number)
{
    struct handle *handle = NULL;
    pthread_mutex_lock(&service->lock);
    HASH_FIND(hh, service->handles, &number, sizeof(number), handle);
    pthread_mutex_unlock(&service->lock);
    return handle;
}

/* Names alone need no access to memory; a file that cannot be written needs none for writing. */
static enum probe_access access_for(const struct node_kind *kind, bool write)
{
    if (kind->type != NODE_FILE)
        return PROBE_NAMES;
    return write ? PROBE_WRITE : PROBE_READ;
}

static int check_open(struct service *service, struct service_target *target, struct call *call,
                      enum probe_access access)
{
    int status = attach_new(service, target, call, access);
    if (status < 0)
        return status;
    if (call->request.probe[0] && probe_target_find(target->target, call->request.probe) < 0)
        return -ENOENT;
    return 0;
}

static int open_handle(struct service *service, struct call *call)
{
    const struct request *request = &call->request;
    if (request->kind >= node_kind_count)
        return -EINVAL;
    struct handle *handle = calloc(1, sizeof(*handle));
    if (!handle)
        return -ENOMEM;
    handle->kind = &node_kinds[request->kind];
    handle->borrowed = call->image.pid != 0;
    handle->access = access_for(handle->kind, request->write);
    memcpy(handle->probe, request->probe, sizeof(handle->probe));
    int status =
        service_targets_get(&service->targets, request->pid, &request->id, &handle->target);
    if (status < 0) {
        free(handle);
        return status;
    }
    pthread_mutex_lock(&handle->target->lock);
    status = check_open(service, handle->target, call, handle->access);
    end_access(handle->target, handle->borrowed);
    pthread_mutex_unlock(&handle->target->lock);
    if (status == 0)
        status = add_handle(service, handle);
    if (status < 0)
        handle_free(service, handle);
    else
        call->reply.handle = handle->number;
    return status;
}

static int release_handle(struct service *service, struct call *call)
{
    struct handle *handle = NULL;
    pthread_mutex_lock(&service->lock);
    HASH_FIND(hh, service->handles, &call->request.handle, sizeof(call->request.handle), handle);
    if (handle)
        HASH_DEL(service->handles, handle);
    pthread_mutex_unlock(&service->lock);
    if (handle)
        handle_free(service, handle);
    return 0;
}

/* Makes sure that the handle's target is attached with the access it was opened with. */
static int begin_access(struct service *service, struct handle *handle, struct call *call)
{
    if (call->image.pid != 0)
        return attach_new(service, handle->target, call, handle->access);
    if (handle->borrowed) {
        call->reply.needs_image = true;
        call->reply.needs = handle->access;
        return -EACCES;
    }
    if (probe_target_access(handle->target->target) < handle->access)
        return attach_new(service, handle->target, call, handle->access);
    return probe_target_look(handle->target->target, &call->reply.sentence);
}

static int make_text(struct handle *handle, struct probe_error *error)
{
    struct service_file file = {handle->target->target, handle->probe[0] ? handle->probe : NULL};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return -ENOMEM;
    int status = handle->kind->read(&file, out, error);
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed)
        status = status < 0 ? status : -ENOMEM;
    if (status < 0) {
        free(text);
        return status;
    }
    free(handle->text);
    handle->text = text;
    handle->length = length;
    return 0;
}

static int copy_text(const struct handle *handle, struct call *call)
{
    const struct request *request = &call->request;
    if (request->offset >= handle->length)
        return 0;
    size_t left = handle->length - request->offset;
    size_t length = left < request->size ? left : request->size;
    call->out = malloc(length);
    if (!call->out)
        return -ENOMEM;
    memcpy(call->out, handle->text + request->offset, length);
    call->out_length = length;
    return 0;
}

static int read_handle(struct service *service, struct handle *handle, struct call *call)
{
    if (!handle->kind->read)
        return -EINVAL;
    /* A read from the beginning is a new look; what follows belongs to it. */
    if (call->request.offset == 0 || !handle->text) {
        int status = begin_access(service, handle, call);
        if (status == 0)
            status = make_text(handle, &call->reply.sentence);
        end_access(handle->target, handle->borrowed);
        if (status < 0)
            return status;
    }
    return copy_text(handle, call);
}

static int write_handle(struct service *service, struct handle *handle, struct call *call)
{
    struct service_file file = {handle->target->target, handle->probe[0] ? handle->probe : NULL};
    if (!handle->kind->write || handle->access < PROBE_WRITE)
        return -EBADF;
    int status = begin_access(service, handle, call);
    if (status == 0)
        status = handle->kind->write(&file, call->in, call->in_length, &call->reply.sentence);
    end_access(handle->target, handle->borrowed);
    return status;
}

static int with_handle(struct service *service, struct call *call,
                       int (*act)(struct service *, struct handle *, struct call *))
{
    /* The server releases a handle only when no other call of it is under way. */
    struct handle *handle = find_handle(service, call->request.handle);
    if (!handle)
        return -EBADF;
    pthread_mutex_lock(&handle->target->lock);
    int status = act(service, handle, call);
    pthread_mutex_unlock(&handle->target->lock);
    return status;
}

void service_call(struct service *service, struct call *call)
{
    int status = -ENOSYS;
    call->reply = (struct reply){0};
    switch (call->request.operation) {
    case OPERATION_FIND:
        status = find(service, call);
        break;
    case OPERATION_SCAN:
        status = scan(service, call);
        break;
    case OPERATION_OPEN:
        status = open_handle(service, call);
        break;
    case OPERATION_READ:
        status = with_handle(service, call, read_handle);
        break;
    case OPERATION_WRITE:
        status = with_handle(service, call, write_handle);
        break;
    case OPERATION_RELEASE:
        status = release_handle(service, call);
        break;
    }
    probe_image_done(&call->image);
    call->reply.error = -status;
}
