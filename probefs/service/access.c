/* SPDX-License-Identifier: MIT */
#include "service/access.h"

#include <errno.h>

int access_needs_image(struct probe_engine *engine, struct call *call, enum probe_access access,
                       int status)
{
    struct probe_image maps;
    call->reply.needs_image = true;
    if (access > PROBE_NAMES &&
        probe_image_open(engine, call->request.pid, PROBE_NAMES, &maps, NULL) == 0) {
        call->reply.sees_maps = probe_image_id_equal(&maps.id, &call->request.id);
        probe_image_done(&maps);
    }
    return status;
}

/*
 * Is what is open already enough for ACCESS? Where it is, the kernel is asked whether it would
 * agree at this moment as well.
 */
static bool is_attached(const struct service_target *target, enum probe_access access)
{
    return probe_target_is_own(target->target) && probe_target_access(target->target) >= access &&
           probe_target_ask(target->target) == 0;
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
        int status = probe_image_open(engine, call->request.pid, access, &image, error);
        if (status == -EACCES || status == -EPERM)
            return access_needs_image(engine, call, access, status);
        if (status < 0)
            return status;
    }
    return probe_target_attach(target->target, &image, error);
}

void access_note_end(struct service_target *target, int status)
{
    if (status == -ESRCH)
        atomic_store(&target->gone, true);
}

void access_end(struct service_target *target)
{
    if (!probe_target_is_own(target->target))
        probe_target_detach(target->target);
}
