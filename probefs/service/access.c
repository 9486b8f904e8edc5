/* SPDX-License-Identifier: MIT */
#include "service/access.h"

#include "shared/clock.h"

#include <errno.h>
#include <stdio.h>

/* For so long, what no call waits for waits for a reading: calls wait for the target's lock. */
#define AGAIN_WAIT (50 * CLOCK_MILLISECOND)

/* Tells the server, in CALL, what would have to be opened for ACCESS; returns STATUS. */
static int access_refuse(struct probe_engine *engine, struct call *call, enum probe_access access,
                         int status)
{
    struct probe_image maps;
    const struct probe_image_id id = call->reply.id;
    call->reply.needs_image = true;
    call->reply.id = (struct probe_image_id){0}; /* the kernel may have shown half of it */
    if (access > PROBE_NAMES &&
        probe_image_open(engine, call->request.pid, PROBE_NAMES, &maps, NULL) == 0) {
        call->reply.sees_maps = probe_image_id_equal(&maps.id, &id);
        probe_image_done(&maps);
    }
    return status;
}

/*
 * Is what is open already, and was looked at, enough for ACCESS? Where it is, the kernel is asked
 * whether it would agree at this moment as well.
 */
static bool is_attached(const struct service_target *target, enum probe_access access)
{
    return probe_target_is_own(target->target) && probe_target_access(target->target) >= access &&
           probe_target_generation(target->target) > 0 && probe_target_ask(target->target) == 0;
}

static int access_gone(const struct service_target *target, struct probe_error *error)
{
    snprintf(error->text, sizeof(error->text), "process %d has ended or replaced its program",
             target->pid);
    return -ESRCH;
}

int access_begin(struct probe_engine *engine, struct service_target *target, struct call *call,
                 enum probe_access access)
{
    struct probe_error *error = &call->reply.sentence;
    struct probe_image image = call->image;
    call->image = PROBE_IMAGE_NONE;
    if (image.pid == 0) {
        if (is_attached(target, access))
            return 0;
        int status = call->request.lendable
                         ? probe_image_open_surely(engine, call->request.pid, access, &image, error)
                         : probe_image_open(engine, call->request.pid, access, &image, error);
        if (status == -EACCES || status == -EPERM)
            return access_refuse(engine, call, access, status);
        if (status == -ENOENT) /* it was there when the server was asked for it */
            return access_gone(target, error);
        if (status < 0)
            return status;
    }
    return probe_target_attach(target->target, &image, error);
}

/* A probe that was there at the last look will do for an open: what follows looks again. */
static int find_probe(struct probe_target *target, const char *name, struct probe_error *error)
{
    if (probe_target_find(target, name) >= 0)
        return 0;
    int status = probe_target_look(target, error);
    if (status < 0 || probe_target_find(target, name) >= 0)
        return status;
    snprintf(error->text, sizeof(error->text), "process %d has no probe '%s' any more",
             probe_target_pid(target), name);
    return -ENOENT;
}

int access_open(struct probe_engine *engine, struct service_target *target, struct call *call)
{
    const struct request *request = &call->request;
    int status = access_begin(engine, target, call, request->access);
    if (status == 0 && request->probe[0])
        status = find_probe(target->target, request->probe, &call->reply.sentence);
    return status;
}

int access_resume(struct probe_engine *engine, struct service_target *target, struct call *call)
{
    enum probe_access access = call->request.access;
    if (call->image.pid != 0)
        return access_begin(engine, target, call, access);
    if (call->request.lent)
        return access_refuse(engine, call, access, -EACCES);
    bool attached =
        probe_target_is_own(target->target) && probe_target_access(target->target) >= access;
    return attached ? 0 : access_begin(engine, target, call, access);
}

int access_again(struct probe_engine *engine, struct service_target *target,
                 const struct probe_image *lent)
{
    struct call call = CALL_INIT;
    const struct timespec soon = clock_after(AGAIN_WAIT);
    probe_target_wait_until(target->target, &soon);
    call.request.pid = target->pid;
    if (lent->pid == 0)
        return 0;
    int status = probe_image_copy(lent, &call.image);
    return status < 0 ? status : access_begin(engine, target, &call, PROBE_WRITE);
}

void access_end(struct service_target *target)
{
    if (!probe_target_is_own(target->target))
        probe_target_detach(target->target);
}
