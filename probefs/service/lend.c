/* SPDX-License-Identifier: MIT */
/*
 * Opens images, and files that they have mapped, for other workers to use, and stops processes for
 * them. Done by lenders alone: workers with the server's identity, which parse nothing, and touch
 * nothing of what they open but the switches that they are told to write.
 */
#include "service/answers.h"

#include <errno.h>

int answer_lend(struct service *service, struct call *call)
{
    const struct request *request = &call->request;
    struct probe_image image;
    int status = probe_image_open_for(service->engine, request->pid, request->access, &image,
                                      &call->reply.sentence);
    if (status < 0)
        return status;
    if (!request->any_image && !probe_image_id_equal(&image.id, &request->id)) {
        probe_image_done(&image);
        return -ESRCH;
    }
    call->reply.id = image.id;
    call->lent = image;
    return 0;
}

int answer_lend_file(struct service *service, struct call *call)
{
    int fd = probe_image_open_mapped(service->engine, &call->image, call->request.offset,
                                     call->request.end);
    if (fd < 0)
        return fd;
    call->lent.exe = fd;
    return 0;
}

int answer_stop(struct service *service, struct call *call)
{
    const struct request *request = &call->request;
    return stops_begin(&service->stops, service->engine, request->pid, &request->id,
                       &call->reply.sentence);
}

int answer_write_code(struct service *service, struct call *call)
{
    const struct request *request = &call->request;
    if (request->size > UINT8_MAX)
        return -EINVAL;
    return stops_write_code(&service->stops, request->pid, request->offset, (uint8_t)request->size);
}

int answer_resume(struct service *service, struct call *call)
{
    stops_end(&service->stops, call->request.pid);
    return 0;
}
