/* SPDX-License-Identifier: MIT */
/* Which processes have probes, and which probes. */
#include "service/answers.h"

#include "service/access.h"
#include "shared/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long a scan takes at most: a call has a second. */
enum { SCAN_MILLISECONDS = 400 };

/* A process without a probe is not listed, but is there if its error_log can say why. */
static bool is_there(const struct probe_target *target, const struct request *request,
                     struct reply *reply)
{
    if (request->probe[0]) {
        ssize_t index = probe_target_find(target, request->probe);
        reply->watch_only = index >= 0 && !probe_target_is_switchable(target, (size_t)index);
        return index >= 0;
    }
    return probe_target_count(target) > 0 ||
           (!request->listed && probe_target_problem(target, 0) != NULL);
}

/* Called with the target's lock held. */
static int find(struct service *service, struct service_target *target, struct call *call)
{
    struct probe_error reason;
    /* What is open already, for reading say, shows the names as well. */
    int looked = call->image.pid != 0 ? -EBADF : probe_target_look(target->target, &reason);
    int status = looked == 0 ? 0 : access_begin(service->engine, target, call, PROBE_NAMES);
    if (status < 0 || is_there(target->target, &call->request, &call->reply))
        return status;
    if (looked != -EINPROGRESS)
        return -ENOENT;
    call->reply.sentence = reason;
    return looked;
}

int answer_find(struct service *service, struct call *call)
{
    struct service_target *target = NULL;
    int status = service_targets_lock(&service->targets, call, &target);
    if (status < 0)
        return status;
    status = find(service, target, call);
    access_end(target);
    service_targets_unlock(&service->targets, target, status, status == 0);
    return status;
}

int answer_scan(struct service *service, struct call *call)
{
    size_t count = call->in_length / sizeof(struct scan_entry);
    struct scan_entry *entries = calloc(count + 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    if (count > 0)
        memcpy(entries, call->in, count * sizeof(*entries));
    const struct scan_listing listing = {call->request.listing, call->request.listing_size};
    int status = scanner_scan(service->scanner, entries, count,
                              SCAN_MILLISECONDS * CLOCK_MILLISECOND, &listing);
    if (status < 0) {
        free(entries);
        return status;
    }
    call->out = (char *)entries;
    call->out_length = count * sizeof(*entries);
    return 0;
}
