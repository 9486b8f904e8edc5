/* SPDX-License-Identifier: MIT */
/*
 * Open files. None is kept here: a request says which file of which target it is about, and with
 * which access it was opened.
 *
 * A call goes through three steps: find the target, get access to its image, do one thing. An open
 * asks the kernel anew whether this process may, at that moment; what it opened then stays with the
 * target, for reads and writes.
 */
#include "service/answers.h"

#include "service/access.h"
#include "nodes/tree.h"
#include "service/watchers.h"
#include "shared/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The file that a request is about, of a target that is locked. */
static struct node_file file_of(struct service_target *target, const struct call *call)
{
    return (struct node_file){
        .target = target->target,
        .probe = call->request.probe[0] ? call->request.probe : NULL,
        .holds = &target->holds,
        .counts = &target->counts,
    };
}

static const struct node_kind *kind_of(const struct call *call)
{
    return call->request.kind < node_kind_count ? &node_kinds[call->request.kind] : NULL;
}

int answer_open(struct service *service, struct call *call)
{
    struct service_target *target = NULL;
    int status = service_targets_lock(&service->targets, call, &target);
    if (status < 0)
        return status;
    status = access_open(service->engine, target, call);
    access_end(target);
    service_targets_unlock(&service->targets, target, status, true);
    return status;
}

/* ---- reading ---------------------------------------------------------------------------- */

struct read_attempt {
    struct node_file *file;
    const struct node_kind *kind;
    struct text *text;
};

/* A probe_attempt: what the file says now. */
static int make_text(void *data, struct probe_error *error)
{
    const struct read_attempt *attempt = data;
    FILE *out = text_open(attempt->text);
    if (!out)
        return -ENOMEM;
    int status = attempt->kind->read(attempt->file, out, error);
    if (status == 0)
        status = probe_target_confirm(attempt->file->target, error);
    int kept = text_close(attempt->text, out);
    if (status == 0)
        return kept;
    if (kept == 0)
        free(attempt->text->bytes);
    return status;
}

static int look_and_make_text(struct service *service, struct service_target *target,
                              struct call *call, struct text *text)
{
    struct node_file file = file_of(target, call);
    struct read_attempt attempt = {&file, kind_of(call), text};
    struct probe_error *error = &call->reply.sentence;
    int status = access_resume(service->engine, target, call);
    if (status == 0)
        status = probe_target_glance(target->target, error);
    if (status == 0)
        status = probe_target_settle(target->target, make_text, &attempt, error);
    access_end(target);
    return status;
}

/* Answers with a piece of TEXT, and keeps it for the reads that follow if that is not the end. */
static int answer_with_text(struct service *service, struct call *call, struct text *text)
{
    const struct request *request = &call->request;
    size_t left = request->offset < text->length ? text->length - request->offset : 0;
    call->reply.has_end = left <= request->size;
    if (call->reply.has_end && request->offset == 0) {
        call->out = text->bytes;
        call->out_length = left;
        return 0;
    }
    size_t length = left < request->size ? left : request->size;
    call->out = malloc(length + 1);
    if (!call->out) {
        free(text->bytes);
        return -ENOMEM;
    }
    if (length > 0)
        memcpy(call->out, text->bytes + request->offset, length);
    call->out_length = length;
    if (call->reply.has_end)
        free(text->bytes);
    else
        kept_texts_put(&service->texts, request->file, text->bytes, text->length);
    return 0;
}

/* A read from the beginning looks anew; what follows belongs to it. */
static int read_on(struct service *service, struct call *call)
{
    const struct request *request = &call->request;
    bool has_end = false;
    int status = kept_texts_copy(&service->texts, request->file, request->offset, request->size,
                                 &call->out, &call->out_length, &has_end);
    call->reply.has_end = has_end;
    return status;
}

int answer_read(struct service *service, struct call *call)
{
    const struct node_kind *kind = kind_of(call);
    struct service_target *target = NULL;
    struct text text = {.bytes = NULL};
    if (!kind || !kind->read)
        return -EINVAL;
    int status = call->request.offset > 0 ? read_on(service, call) : -ENOENT;
    if (status != -ENOENT)
        return status;
    status = service_targets_lock(&service->targets, call, &target);
    if (status < 0)
        return status;
    status = look_and_make_text(service, target, call, &text);
    service_targets_unlock(&service->targets, target, status, true);
    kept_texts_drop(&service->texts, call->request.file);
    return status < 0 ? status : answer_with_text(service, call, &text);
}

int answer_close(struct service *service, struct call *call)
{
    kept_texts_drop(&service->texts, call->request.file);
    return 0;
}

/* ---- writing ---------------------------------------------------------------------------- */

/* If the process is gone, that is said before anything about the text. */
static int change_node(struct node_file *file, const struct node_kind *kind, struct call *call)
{
    struct probe_error gone = {.text = ""};
    probe_target_doubt(file->target);
    int status =
        kind->write(file, call->in ? call->in : "", call->in_length, &call->reply.sentence);
    if (probe_target_confirm(file->target, &gone) == 0)
        return status;
    call->reply.sentence = gone;
    return -ESRCH;
}

int answer_write(struct service *service, struct call *call)
{
    const struct node_kind *kind = kind_of(call);
    struct service_target *target = NULL;
    struct text forgets = {.bytes = NULL};
    if (!kind || !kind->write || call->request.access < PROBE_WRITE)
        return -EBADF;
    int status = service_targets_lock(&service->targets, call, &target);
    if (status < 0)
        return status;
    struct node_file file = file_of(target, call);
    file.forgets = call->request.report_forgets ? &forgets : NULL;
    file.sets = keeper_has_holds(&service->keeper) ? &service->sets : NULL;
    struct counts_ask ask = {call->given[GIVEN_ATTACHER],
                             clock_after(call->request.size * CLOCK_MILLISECOND)};
    file.ask = &ask;
    struct watchers_data known = {service, target};
    const struct node_watchers watchers = {watchers_explain, watchers_await, &known};
    file.watchers = &watchers;
    status = access_resume(service->engine, target, call);
    if (status == 0)
        status = change_node(&file, kind, call);
    counting_note(service, target);
    access_end(target);
    service_targets_unlock(&service->targets, target, status, true);
    call->out = forgets.bytes;
    call->out_length = forgets.length;
    return status;
}
