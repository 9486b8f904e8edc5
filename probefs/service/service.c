/* SPDX-License-Identifier: MIT */
#include "service/service.h"

#include "common/advice.h"
#include "common/log.h"
#include "common/waiting.h"
#include "service/answers.h"
#include "service/operations.h"
#include "shared/clock.h"
#include "shared/reserved-names.h"

#include <errno.h>
#include <stdlib.h>

/*
 * What a call waits for that it can do without takes so many tenths of the time until the server
 * gives the worker up: the answer has to come before.
 */
enum { WAIT_TENTHS = 7 };

/* How long a worker that ends is at the children of what was held. */
enum { CHILDREN_MILLISECONDS = 3000 };

static int new_engine(const struct service_options *options, struct probe_engine **engine)
{
    const struct probe_engine_options engine_options = {
        .method = options->method,
        .allow_gigatext = options->allow_gigatext,
        .log = log_from_engine,
        .verbose = log_is_told(PROBE_LOG_DEBUG),
        .waits = waiting_has,
        .waits_data = options->waiting,
        .open_mapped = options->open_mapped,
        .tracer = options->tracer,
        .reserved_names = reserved_names,
        .all = options->all,
    };
    return probe_engine_new(&engine_options, engine);
}

int service_new(const struct service_options *options, struct service **result)
{
    struct service *service = calloc(1, sizeof(*service));
    if (!service)
        return -ENOMEM;
    int status = new_engine(options, &service->engine);
    if (status == 0)
        status = scanner_new(service->engine, &service->scanner);
    if (status == 0)
        status = service_targets_init(&service->targets, service->engine);
    if (status == 0)
        status = kept_texts_init(&service->texts);
    if (status == 0)
        status = stops_init(&service->stops);
    if (status == 0)
        status = keeper_init(&service->keeper, options->hold_given);
    if (status == 0)
        status = sets_init(&service->sets);
    if (status == 0)
        status = counting_init(&service->counting);
    if (status == 0)
        status = feeds_new(service, &service->feeds);
    if (status == 0)
        status = child_queue_init(&service->children, service->engine, options, &service->sets);
    if (status < 0) {
        feeds_free(service->feeds);
        scanner_free(service->scanner);
        probe_engine_free(service->engine);
        free(service);
        return status;
    }
    *result = service;
    return 0;
}

void service_free(struct service *service)
{
    if (!service)
        return;
    feeds_free(service->feeds);
    counting_done(service);
    child_queue_done(&service->children);
    sets_done(&service->sets);
    keeper_done(service);
    stops_done(&service->stops);
    kept_texts_done(&service->texts);
    service_targets_done(&service->targets);
    scanner_free(service->scanner);
    probe_engine_free(service->engine);
    free(service);
}

void service_call(struct service *service, struct call *call)
{
    unsigned int operation = call->request.operation;
    call->reply = (struct reply){0};
    call->until = clock_after(call->request.wait / 10 * WAIT_TENTHS);
    int status =
        operation < OPERATION_COUNT ? operation_rows[operation].answer(service, call) : -ENOSYS;
    probe_image_done(&call->image);
    call_close_given(call);
    call->reply.is_counting = counting_is_on(service);
    advice_add(&call->reply.sentence);
    /* What is still being read, nobody can wait for: to others it does not answer in time. */
    call->reply.error = status == -EINPROGRESS ? ETIMEDOUT : -status;
}

void service_end_holds(struct service *service)
{
    const struct timespec deadline = clock_after(CHILDREN_MILLISECONDS * CLOCK_MILLISECOND);
    keeper_end_holds(service);
    child_queue_wait(&service->children, &deadline);
}
