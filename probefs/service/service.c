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
#include "service/service.h"

#include "common/advice.h"
#include "common/log.h"
#include "service/access.h"
#include "service/targets.h"
#include "common/text.h"
#include "nodes/tree.h"
#include "common/waiting.h"
#include "shared/reserved-names.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long the end of a worker waits for targets that are in use, in nanoseconds. */
enum { HOLD_WAIT_NS = 600000000 };

/* Between two tries to do what there is no memory for. */
enum { MEMORY_WAIT_NS = 10000000 };

/* How long a scan takes at most, but for what one process takes. */
enum { SCAN_MILLISECONDS = 400 };

struct handle {
    uint64_t number;
    const struct node_kind *kind;
    struct service_target *target;
    enum probe_access access;
    bool borrowed; /* opened through an image that the server sent */
    char probe[PROBE_NAME_SIZE];
    UT_hash_handle hh;

    /* What follows is guarded by the target's lock. */
    char *text; /* what the last read from the beginning gave */
    size_t length;
    struct cut_line cut;
    struct hold *hold;
    /*
     * A hold is released through the image that it was opened through: whatever the server, or the
     * kernel, would say by then.
     */
    struct probe_image kept;
};

struct service {
    struct probe_engine *engine;
    struct service_targets targets;
    struct probe_survey *survey;
    pthread_mutex_t lock;
    struct handle *handles; /* by number; guarded by lock */
    uint64_t last_handle;   /* likewise */
    atomic_bool ending;     /* no new hold */
};

int service_new(const struct service_options *options, struct service **result)
{
    struct service *service = calloc(1, sizeof(*service));
    const struct probe_engine_options engine_options = {
        .method = options->method,
        .allow_gigatext = options->allow_gigatext,
        .log = log_from_engine,
        .verbose = log_is_told(PROBE_LOG_DEBUG),
        .waits = waiting_has,
        .waits_data = options->waiting,
        .open_mapped = options->open_mapped,
        .reserved_names = reserved_names,
    };
    if (!service)
        return -ENOMEM;
    int status = probe_engine_new(&engine_options, &service->engine);
    if (status == 0)
        status = probe_survey_new(service->engine, &service->survey);
    if (status == 0)
        status = service_targets_init(&service->targets, service->engine);
    if (status < 0) {
        probe_survey_free(service->survey);
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
    probe_image_done(&handle->kept);
    free(handle->cut.text);
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
    probe_survey_free(service->survey);
    probe_engine_free(service->engine);
    pthread_mutex_destroy(&service->lock);
    free(service);
}

/* ---- find and scan ---------------------------------------------------------------------- */

/* The target of the call, in use and locked. */
static int lock_target(struct service *service, const struct call *call,
                       struct service_target **target)
{
    int status =
        service_targets_get(&service->targets, call->request.pid, &call->request.id, target);
    if (status == 0)
        pthread_mutex_lock(&(*target)->lock);
    return status;
}

static void unlock_target(struct service *service, struct service_target *target, bool keep)
{
    pthread_mutex_unlock(&target->lock);
    service_targets_put(&service->targets, target, keep);
}

static int find(struct service *service, struct call *call)
{
    struct service_target *target = NULL;
    int status = lock_target(service, call, &target);
    if (status < 0)
        return status;
    /* What is open already, for reading say, shows the names as well. */
    if (call->image.pid != 0 || probe_target_look(target->target, NULL) < 0)
        status = access_begin(service->engine, target, call, PROBE_NAMES);
    size_t count = status == 0 ? probe_target_count(target->target) : 0;
    if (status == 0 &&
        (call->request.probe[0] ? probe_target_find(target->target, call->request.probe) < 0
                                : count == 0))
        status = -ENOENT;
    access_end(target);
    unlock_target(service, target, count > 0);
    return status;
}

static bool has_time(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000 <
           SCAN_MILLISECONDS;
}

/* Answers for as many as there is time for, and for one at least: a call has a second. */
static int scan(struct service *service, struct call *call)
{
    struct timespec start;
    size_t done = 0;
    size_t count = call->in_length / sizeof(struct scan_entry);
    struct scan_entry *entries = calloc(count + 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    if (count > 0)
        memcpy(entries, call->in, count * sizeof(*entries));
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (; done < count && (done == 0 || has_time(&start)); done++) {
        struct scan_entry *entry = &entries[done];
        int found = probe_survey_find(service->survey, entry->pid, &entry->id, NULL);
        if (found == -ENOMEM) { /* else a process would be missing, for no reason */
            free(entries);
            return found;
        }
        entry->has_probes = found == 1;
        entry->needs_image = found == -EACCES || found == -EPERM;
    }
    call->out = (char *)entries;
    call->out_length = done * sizeof(*entries);
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

static void remove_handle(struct service *service, struct handle *handle)
{
    pthread_mutex_lock(&service->lock);
    HASH_DEL(service->handles, handle);
    pthread_mutex_unlock(&service->lock);
    handle_free(service, handle);
}

static struct service_file file_of(struct handle *handle, const struct call *call)
{
    return (struct service_file){
        .target = handle->target->target,
        .probe = handle->probe[0] ? handle->probe : NULL,
        .holds = &handle->target->holds,
        .hold = &handle->hold,
        .cut = &handle->cut,
        .owner = call->request.owner,
    };
}

/*
 * Gives back the reference of a hold. Called with the target's lock held. Without memory the hold
 * stays, and so does the way to its image: it can be given back another time.
 */
static int release_hold(struct service *service, struct handle *handle, struct call *call)
{
    struct probe_target *target = handle->target->target;
    call->image = handle->kept;
    handle->kept = PROBE_IMAGE_NONE;
    int status = access_begin(service->engine, handle->target, call, PROBE_WRITE);
    int released = status;
    if (status != -ENOMEM)
        released = holds_release(&handle->target->holds, status == 0 ? target : NULL, handle->hold,
                                 &call->reply.sentence);
    if (released != -ENOMEM)
        handle->hold = NULL;
    else if (probe_target_copy_image(target, &handle->kept) < 0)
        handle->kept = PROBE_IMAGE_NONE;
    access_end(handle->target);
    return status < 0 ? status : released;
}

/*
 * Opens for good, with the effect that this has. The server gets what another worker needs to go on
 * with the hold, should this one end before it.
 */
static int take_hold(struct service *service, struct handle *handle, struct call *call)
{
    struct service_file file = file_of(handle, call);
    if (call->in_length > 0) {
        file.saved = call->in;
        file.saved_length = call->in_length;
    }
    int status = handle->kind->open(&file, &call->reply.sentence);
    if (status < 0 || file.saved)
        return status;
    status = holds_save(handle->hold, &call->out, &call->out_length);
    if (status < 0)
        release_hold(service, handle, call);
    /* One that is too large to be kept is held all the same. */
    if (call->out_length > SAVED_MAX)
        call->out_length = 0;
    return status;
}

/* One that was there at the last look will do for an open: what follows looks again. */
static bool has_probe(struct probe_target *target, const char *name)
{
    return probe_target_find(target, name) >= 0 ||
           (probe_target_look(target, NULL) == 0 && probe_target_find(target, name) >= 0);
}

static int check_open(struct service *service, struct handle *handle, struct call *call)
{
    struct service_file file = file_of(handle, call);
    bool takes_effect = call->request.write && handle->kind->open;
    int status = access_begin(service->engine, handle->target, call, handle->access);
    if (status < 0)
        return status == -ENOENT ? -ESRCH : status; /* it is the process that is not there */
    if (file.probe && !has_probe(file.target, file.probe))
        return -ENOENT;
    if (!takes_effect)
        return 0;
    if (atomic_load(&service->ending))
        return -EIO;
    status = probe_target_copy_image(handle->target->target, &handle->kept);
    return status < 0 ? status : take_hold(service, handle, call);
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
    handle->access = request->access;
    handle->kept = PROBE_IMAGE_NONE;
    memcpy(handle->probe, request->probe, sizeof(handle->probe));
    int status =
        service_targets_get(&service->targets, request->pid, &request->id, &handle->target);
    if (status < 0) {
        free(handle);
        return status;
    }
    /* It is in the table before it has an effect: nothing can fail after that. */
    status = add_handle(service, handle);
    if (status < 0) {
        handle_free(service, handle);
        return status;
    }
    pthread_mutex_lock(&handle->target->lock);
    status = check_open(service, handle, call);
    access_note_end(handle->target, status);
    access_end(handle->target);
    pthread_mutex_unlock(&handle->target->lock);
    /* A hold that could not be given back has to be released, as one that was opened. */
    if (status < 0 && !handle->hold)
        remove_handle(service, handle);
    else
        call->reply.handle = handle->number;
    return status;
}

static int release_handle(struct service *service, struct call *call)
{
    struct handle *handle = find_handle(service, call->request.handle);
    int status = 0;
    if (!handle)
        return 0;
    pthread_mutex_lock(&handle->target->lock);
    if (handle->hold)
        status = release_hold(service, handle, call);
    bool stays = handle->hold;
    access_note_end(handle->target, status);
    pthread_mutex_unlock(&handle->target->lock);
    if (stays)
        return status;
    remove_handle(service, handle);
    /* A target that has gone has taken its counters along. */
    return status == -ESRCH || status == -ENOENT ? 0 : status;
}

/* Makes sure that the handle's target is attached with the access it was opened with. */
static int begin_access(struct service *service, struct handle *handle, struct call *call)
{
    if (call->image.pid != 0)
        return access_begin(service->engine, handle->target, call, handle->access);
    if (handle->borrowed)
        return access_needs_image(service->engine, call, handle->access, -EACCES);
    if (probe_target_access(handle->target->target) < handle->access)
        return access_begin(service->engine, handle->target, call, handle->access);
    return 0;
}

struct read_attempt {
    struct handle *handle;
    struct call *call;
};

/* A probe_attempt: reads what the handle's file says now. */
static int make_text(void *data, struct probe_error *error)
{
    const struct read_attempt *attempt = data;
    struct handle *handle = attempt->handle;
    struct service_file file = file_of(handle, attempt->call);
    struct text text;
    FILE *out = text_open(&text);
    if (!out)
        return -ENOMEM;
    int status = handle->kind->read(&file, out, error);
    if (status == 0)
        status = probe_target_confirm(file.target, error);
    int kept = text_close(&text, out);
    if (status < 0 || kept < 0) {
        free(text.bytes);
        return status < 0 ? status : kept;
    }
    free(handle->text);
    handle->text = text.bytes;
    handle->length = text.length;
    return 0;
}

static int copy_text(const struct handle *handle, struct call *call)
{
    const struct request *request = &call->request;
    if (!handle->text || request->offset >= handle->length)
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
        struct probe_target *target = handle->target->target;
        struct read_attempt attempt = {handle, call};
        int status = begin_access(service, handle, call);
        if (status == 0)
            status = probe_target_glance(target, &call->reply.sentence);
        if (status == 0)
            status = probe_target_settle(target, make_text, &attempt, &call->reply.sentence);
        access_end(handle->target);
        if (status < 0)
            return status;
    }
    return copy_text(handle, call);
}

/* Whatever is wrong with what was written: that the image has gone comes first. */
static int change(struct service_file *file, const struct node_kind *kind, struct call *call)
{
    struct probe_error gone = {.text = ""};
    struct probe_error *error = &call->reply.sentence;
    probe_target_doubt(file->target);
    int status = call->request.operation == OPERATION_FLUSH
                     ? kind->flush(file, error)
                     : kind->write(file, call->in, call->in_length, error);
    if (probe_target_confirm(file->target, &gone) == 0)
        return status;
    *error = gone;
    return -ESRCH;
}

static int write_handle(struct service *service, struct handle *handle, struct call *call)
{
    struct service_file file = file_of(handle, call);
    struct text resets = {.bytes = NULL};
    bool flush = call->request.operation == OPERATION_FLUSH;
    if (!handle->kind->write || handle->access < PROBE_WRITE)
        return -EBADF;
    if (flush && !handle->kind->flush)
        return 0;
    if (call->request.report_resets)
        file.resets = &resets;
    int status = begin_access(service, handle, call);
    if (status == 0)
        status = change(&file, handle->kind, call);
    access_end(handle->target);
    call->out = resets.bytes;
    call->out_length = resets.length;
    return status;
}

/* Ends the claims of holds on the probes that are named, each name ended by a NUL. */
static int reset(struct service *service, struct call *call)
{
    struct service_target *target = NULL;
    int status = lock_target(service, call, &target);
    if (status < 0)
        return status;
    for (size_t at = 0; at < call->in_length;) {
        size_t length = strnlen(call->in + at, call->in_length - at);
        if (at + length < call->in_length)
            holds_end_claims(&target->holds, call->in + at);
        at += length + 1;
    }
    unlock_target(service, target, true);
    return 0;
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
    access_note_end(handle->target, status);
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
    case OPERATION_FLUSH:
        status = with_handle(service, call, write_handle);
        break;
    case OPERATION_RELEASE:
        status = release_handle(service, call);
        break;
    case OPERATION_RESET:
        status = reset(service, call);
        break;
    }
    probe_image_done(&call->image);
    advice_add(&call->reply.sentence);
    call->reply.error = -status;
}

static bool is_before(const struct timespec *time)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec < time->tv_sec || (now.tv_sec == time->tv_sec && now.tv_nsec < time->tv_nsec);
}

void service_end_holds(struct service *service)
{
    const struct timespec pause = {.tv_nsec = MEMORY_WAIT_NS};
    struct handle *handle = NULL;
    struct handle *next = NULL;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += HOLD_WAIT_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    atomic_store(&service->ending, true);
    pthread_mutex_lock(&service->lock);
    HASH_ITER (hh, service->handles, handle, next) {
        struct call call = CALL_INIT;
        if (!handle->kind->open)
            continue;
        call.request.pid = handle->target->pid;
        call.request.id = handle->target->id;
        /* Whoever has the lock may hang in this target's memory. */
        if (pthread_mutex_clocklock(&handle->target->lock, CLOCK_MONOTONIC, &until) != 0)
            continue;
        while (handle->hold && release_hold(service, handle, &call) == -ENOMEM && is_before(&until))
            nanosleep(&pause, NULL);
        pthread_mutex_unlock(&handle->target->lock);
    }
    pthread_mutex_unlock(&service->lock);
}
