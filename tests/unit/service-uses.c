/* SPDX-License-Identifier: MIT */
#include "service-uses.h"

#include "unit.h"

#include "nodes/tree.h"
#include "service/service.h"

#include <stdio.h>

struct session {
    const struct service_use *use;
    struct service *service;
    struct probe_image_id id;
    struct probe_error *error;
    uint64_t last_file;
};

static int make_call(const struct session *session, const struct request *request, const char *in,
                     size_t length)
{
    struct call call = CALL_INIT;
    call.request = *request;
    call.in = in;
    call.in_length = length;
    service_call(session->service, &call);
    free(call.out);
    /* The server learns of a hold also where there is no memory for what comes with it. */
    if (request->operation == OPERATION_HOLD_TAKE && !call.reply.error)
        assert_true(call.reply.is_held);
    if (call.reply.error) {
        *session->error = call.reply.sentence;
        if (!session->error->text[0]) /* the server says strerror() then */
            snprintf(session->error->text, sizeof(session->error->text), "%s",
                     strerror(call.reply.error));
    }
    return -call.reply.error;
}

static int make_last_call(const struct session *session, struct request *request,
                          enum operation operation)
{
    void (*find_memory)(bool always) = session->use->find_memory;
    request->operation = operation;
    if (find_memory)
        find_memory(true);
    int status = make_call(session, request, NULL, 0);
    if (find_memory)
        find_memory(false);
    return status;
}

static struct request new_request(struct session *session, enum operation operation)
{
    return (struct request){.operation = operation,
                            .pid = session->use->target,
                            .id = session->id,
                            .file = ++session->last_file};
}

/* Opens a file, writes TEXT to it or reads it in two pieces, and closes it. */
static int use_file(struct session *session, enum place place, const char *name, const char *text)
{
    enum { PIECE = 4 };
    struct request request = new_request(session, OPERATION_OPEN);
    request.kind = (unsigned int)tree_find(place, name);
    request.access = text ? PROBE_WRITE : PROBE_READ;
    if (place == PLACE_PROBE)
        strcpy(request.probe, "gc_start");
    int status = make_call(session, &request, NULL, 0);
    if (status < 0)
        return status;
    request.operation = text ? OPERATION_WRITE : OPERATION_READ;
    request.size = PIECE;
    status = make_call(session, &request, text, text ? strlen(text) : 0);
    request.offset = PIECE;
    request.size = 4096;
    if (status == 0 && !text)
        status = make_call(session, &request, NULL, 0);
    int closed = make_last_call(session, &request, OPERATION_CLOSE);
    return status < 0 ? status : closed;
}

static int use_hold(struct session *session)
{
    struct request request = new_request(session, OPERATION_HOLD_TAKE);
    request.access = PROBE_WRITE;
    strcpy(request.probe, "gc_start");
    int status = make_call(session, &request, NULL, 0);
    int given = make_last_call(session, &request, OPERATION_HOLD_GIVE);
    return status < 0 ? status : given;
}

static int use_scan(const struct session *session)
{
    const struct scan_entry entry = {.pid = session->use->target, .id = session->id};
    const struct request request = {.operation = OPERATION_SCAN};
    return make_call(session, &request, (const char *)&entry, sizeof(entry));
}

static int use_files(struct session *session)
{
    static const struct {
        enum place place;
        const char *name, *text;
    } uses[] = {
        {PLACE_PROCESS, "enabled", NULL},
        {PLACE_PROBE, "semaphore", NULL},
        {PLACE_PROBE, "sites", NULL},
        {PLACE_PROCESS, "info", NULL},
        {PLACE_PROCESS, "control", NULL},
        {PLACE_PROCESS, "exe", NULL},
        {PLACE_PROCESS, "error_log", NULL},
        {PLACE_PROBE, "hold", NULL},
        {PLACE_PROCESS, "control", "1 gc_start,gc_stop [b]oot i* request\n"},
    };
    int status = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(uses) && status == 0; i++)
        status = use_file(session, uses[i].place, uses[i].name, uses[i].text);
    return status;
}

int service_use_all(const struct service_use *use, struct probe_error *error)
{
    const struct service_options options = {.method = use->method, .waiting = use->waiting};
    struct session session = {.use = use, .error = error};
    struct probe_engine *engine = NULL;
    int status = probe_engine_new(NULL, &engine);
    if (status == 0)
        status = probe_image_identify(engine, use->target, &session.id);
    if (status == 0)
        status = service_new(&options, &session.service);
    if (status < 0)
        strcpy(error->text, "no service");
    if (status == 0)
        status = use_scan(&session);
    if (status == 0)
        status = use_hold(&session);
    if (status == 0)
        status = use_files(&session);
    service_free(session.service);
    probe_engine_free(engine);
    return status;
}
