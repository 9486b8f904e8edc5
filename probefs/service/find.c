/* SPDX-License-Identifier: MIT */
/* Which processes have probes, and which probes. */
#include "service/answers.h"

#include "service/access.h"
#include "shared/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long a scan takes at most, but for what one process takes. */
enum { SCAN_MILLISECONDS = 400 };

/* A process without a probe is not listed, but is there if its error_log can say why. */
static bool is_there(const struct probe_target *target, const struct request *request)
{
    if (request->probe[0])
        return probe_target_find(target, request->probe) >= 0;
    return probe_target_count(target) > 0 ||
           (!request->listed && probe_target_problem(target, 0) != NULL);
}

static int find_in(struct service *service, struct service_target *target, struct call *call)
{
    int status = 0;
    /* What is open already, for reading say, shows the names as well. */
    if (call->image.pid != 0 || probe_target_look(target->target, NULL) < 0)
        status = access_begin(service->engine, target, call, PROBE_NAMES);
    if (status == 0 && !is_there(target->target, &call->request))
        status = -ENOENT;
    access_end(target);
    return status;
}

int answer_find(struct service *service, struct call *call)
{
    struct request *request = &call->request;
    struct service_target *target = NULL;
    int status = 0;
    if (request->any_image)
        status = probe_image_identify(service->engine, request->pid, &request->id);
    if (status == 0)
        status = service_targets_lock(&service->targets, call, &target);
    if (status < 0)
        return status;
    call->reply.id = request->id;
    status = find_in(service, target, call);
    service_targets_unlock(&service->targets, target, status, status == 0);
    return status;
}

/* Errors: ENOMEM; else a process would be missing, for no reason. */
static int scan_one(struct service *service, struct scan_entry *entry)
{
    int found = probe_image_identify(service->engine, entry->pid, &entry->id);
    if (found == 0)
        found = probe_survey_find(service->survey, entry->pid, &entry->id, NULL);
    if (found == -ENOMEM)
        return found;
    entry->answer = found == 1                            ? SCAN_HAS_PROBES
                    : found == -EACCES || found == -EPERM ? SCAN_NEEDS_IMAGE
                                                          : SCAN_HAS_NONE;
    return 0;
}

/* Answers for as many as there is time for. */
int answer_scan(struct service *service, struct call *call)
{
    const struct timespec end = clock_after(SCAN_MILLISECONDS * CLOCK_MILLISECOND);
    size_t count = call->in_length / sizeof(struct scan_entry);
    struct scan_entry *entries = calloc(count + 1, sizeof(*entries));
    int status = 0;
    if (!entries)
        return -ENOMEM;
    if (count > 0)
        memcpy(entries, call->in, count * sizeof(*entries));
    for (size_t i = 0; i < count; i++)
        entries[i].answer = SCAN_UNKNOWN;
    for (size_t i = 0; i < count && status == 0 && !clock_is_past(&end); i++)
        status = scan_one(service, &entries[i]);
    if (status < 0) {
        free(entries);
        return status;
    }
    call->out = (char *)entries;
    call->out_length = count * sizeof(*entries);
    return 0;
}
