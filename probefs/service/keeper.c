/* SPDX-License-Identifier: MIT */
#include "service/keeper.h"

#include "service/access.h"
#include "service/answers.h"
#include "shared/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long the end of a worker waits for targets that are in use, in milliseconds. */
enum { END_WAIT_MILLISECONDS = 600 };

/* Between two tries to do what there is no memory for. */
enum { MEMORY_WAIT_NS = 10000000 };

struct kept_hold {
    uint64_t file;
    struct service_target *target; /* in use */
    struct hold *hold;             /* guarded by the target's lock, as what follows */
    /*
     * It is given back through the image that it was taken through, whatever the server, or the
     * kernel, would say by then.
     */
    struct probe_image image;
    struct inherited *inherited; /* for the children, when it was given back; NULL from then on */
    UT_hash_handle hh;
};

int keeper_init(struct keeper *keeper, void (*given)(uint64_t file))
{
    *keeper = (struct keeper){.given = given};
    return -pthread_mutex_init(&keeper->lock, NULL);
}

bool keeper_has_holds(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    bool any = keeper->table;
    pthread_mutex_unlock(&keeper->lock);
    return any;
}

static void kept_free(struct service *service, struct kept_hold *kept)
{
    if (kept->target)
        service_targets_put(&service->targets, kept->target, true);
    inherited_free(kept->inherited);
    probe_image_done(&kept->image);
    free(kept);
}

void keeper_done(struct service *service)
{
    struct kept_hold *kept = NULL;
    struct kept_hold *next = NULL;
    HASH_ITER (hh, service->keeper.table, kept, next) {
        HASH_DEL(service->keeper.table, kept);
        kept_free(service, kept);
    }
    pthread_mutex_destroy(&service->keeper.lock);
}

static struct kept_hold *kept_find(struct keeper *keeper, uint64_t file)
{
    struct kept_hold *kept = NULL;
    pthread_mutex_lock(&keeper->lock);
    HASH_FIND(hh, keeper->table, &file, sizeof(file), kept);
    pthread_mutex_unlock(&keeper->lock);
    return kept;
}

static int kept_list(struct keeper *keeper, struct kept_hold *kept)
{
    pthread_mutex_lock(&keeper->lock);
    HASH_ADD(hh, keeper->table, file, sizeof(kept->file), kept);
    bool listed = kept->hh.tbl != NULL;
    pthread_mutex_unlock(&keeper->lock);
    return listed ? 0 : -ENOMEM;
}

/* A hold that is still to be taken, and is in the table already. */
static int kept_new(struct service *service, struct call *call, struct kept_hold **result)
{
    struct kept_hold *kept = calloc(1, sizeof(*kept));
    if (!kept)
        return -ENOMEM;
    kept->file = call->request.file;
    kept->image = PROBE_IMAGE_NONE;
    kept->inherited = inherited_new();
    int status =
        kept->inherited ? service_targets_find(&service->targets, call, &kept->target) : -ENOMEM;
    if (status == 0)
        status = kept_list(&service->keeper, kept);
    if (status < 0)
        kept_free(service, kept);
    else
        *result = kept;
    return status;
}

static void kept_remove(struct service *service, struct kept_hold *kept)
{
    pthread_mutex_lock(&service->keeper.lock);
    HASH_DEL(service->keeper.table, kept);
    pthread_mutex_unlock(&service->keeper.lock);
    kept_free(service, kept);
}

/* ---- giving back ------------------------------------------------------------------------ */

/* Is that a failure of this moment? Then the hold can be given back another time. */
static bool is_for_now(int status)
{
    return status == -ENOMEM || status == -EINPROGRESS;
}

/*
 * Called with the target's lock held. Without memory, or while an object is still being read, the
 * hold stays, and so does the way to its image.
 */
static int kept_give(struct service *service, struct kept_hold *kept, struct call *call)
{
    struct probe_target *target = kept->target->target;
    if (kept->image.pid != 0) {
        probe_image_done(&call->image);
        call->image = kept->image;
        kept->image = PROBE_IMAGE_NONE;
    }
    int status = access_begin(service->engine, kept->target, call, PROBE_WRITE);
    int given = status;
    struct probe_reference *reference = NULL;
    char *name = NULL;
    if (!is_for_now(status))
        given = holds_release(&kept->target->holds, status == 0 ? target : NULL, kept->hold,
                              &reference, &name, &call->reply.sentence);
    if (!is_for_now(given))
        kept->hold = NULL;
    else if (probe_target_copy_image(target, &kept->image) < 0)
        kept->image = PROBE_IMAGE_NONE;
    access_end(kept->target);
    if (reference) {
        child_queue_add(&service->children, kept->inherited, reference, name,
                        atomic_load(&service->keeper.ending));
        kept->inherited = NULL;
    }
    return status < 0 ? status : given;
}

int answer_hold_give(struct service *service, struct call *call)
{
    struct kept_hold *kept = kept_find(&service->keeper, call->request.file);
    int status = 0;
    if (!kept)
        return 0;
    service_target_lock(kept->target, call);
    if (kept->hold)
        status = kept_give(service, kept, call);
    bool stays = kept->hold;
    call->reply.is_held = stays;
    service_target_note_end(kept->target, status);
    pthread_mutex_unlock(&kept->target->lock);
    if (stays)
        return status;
    kept_remove(service, kept);
    /* A target that has gone took its counters along. */
    return status == -ESRCH ? 0 : status;
}

/* ---- taking ----------------------------------------------------------------------------- */

struct take_attempt {
    struct kept_hold *kept;
    const char *name;
};

/* A probe_attempt. */
static int take_reference(void *data, struct probe_error *error)
{
    const struct take_attempt *attempt = data;
    struct service_target *target = attempt->kept->target;
    ssize_t index = probe_target_find(target->target, attempt->name);
    if (index < 0)
        return (int)index;
    return holds_add(&target->holds, target->target, (size_t)index, attempt->name,
                     &attempt->kept->hold, error);
}

/* The server gets what another worker needs to go on with it. */
static int take_and_save(struct service *service, struct kept_hold *kept, struct call *call)
{
    struct take_attempt attempt = {kept, call->request.probe};
    int status =
        probe_target_settle(kept->target->target, take_reference, &attempt, &call->reply.sentence);
    if (status < 0)
        return status;
    status = holds_save(kept->hold, &call->out, &call->out_length);
    if (status < 0)
        kept_give(service, kept, call);
    /* One that is too large to be saved is held all the same. */
    if (call->out_length > SAVED_MAX)
        call->out_length = 0;
    return status;
}

static int keep_on(struct service *service, struct kept_hold *kept, struct call *call)
{
    (void)service;
    return holds_take_over(&kept->target->holds, call->in, call->in_length, call->request.probe,
                           &kept->hold);
}

typedef int hold_begin(struct service *service, struct kept_hold *kept, struct call *call);

/* Called with the target's lock held. */
static int begin_locked(struct service *service, struct kept_hold *kept, struct call *call,
                        hold_begin *begin)
{
    int status = access_open(service->engine, kept->target, call);
    if (status == 0 && atomic_load(&service->keeper.ending))
        status = -EIO;
    if (status == 0)
        status = probe_target_copy_image(kept->target->target, &kept->image);
    if (status == 0)
        status = begin(service, kept, call);
    service_target_note_end(kept->target, status);
    access_end(kept->target);
    return status;
}

/*
 * It is in the table before BEGIN has an effect: nothing can fail after that. The reply tells of
 * the hold after a success, too: the server may have no memory for the rest of it.
 */
static int hold_start(struct service *service, struct call *call, hold_begin *begin)
{
    const struct request *request = &call->request;
    if (!request->probe[0] || kept_find(&service->keeper, request->file))
        return -EINVAL;
    struct kept_hold *kept = NULL;
    int status = kept_new(service, call, &kept);
    if (status < 0)
        return status;
    service_target_lock(kept->target, call);
    status = begin_locked(service, kept, call, begin);
    call->reply.is_held = kept->hold != NULL;
    pthread_mutex_unlock(&kept->target->lock);
    if (!call->reply.is_held)
        kept_remove(service, kept);
    return status;
}

int answer_hold_take(struct service *service, struct call *call)
{
    return hold_start(service, call, take_and_save);
}

int answer_hold_keep(struct service *service, struct call *call)
{
    return hold_start(service, call, keep_on);
}

int answer_hold_forget(struct service *service, struct call *call)
{
    struct service_target *target = NULL;
    int status = service_targets_lock(&service->targets, call, &target);
    if (status < 0)
        return status;
    for (size_t at = 0; at < call->in_length;) {
        size_t length = strnlen(call->in + at, call->in_length - at);
        if (at + length < call->in_length)
            holds_end_claims(&target->holds, call->in + at);
        at += length + 1;
    }
    service_targets_unlock(&service->targets, target, 0, true);
    return 0;
}

/* ---- the end of the worker -------------------------------------------------------------- */

/* Whoever has a target's lock may hang in its memory: so the wait for it ends. */
static void end_hold(struct service *service, struct kept_hold *kept, const struct timespec *until)
{
    const struct timespec pause = {.tv_nsec = MEMORY_WAIT_NS};
    struct call call = CALL_INIT;
    call.request.pid = kept->target->pid;
    call.request.id = kept->target->id;
    if (pthread_mutex_clocklock(&kept->target->lock, CLOCK_MONOTONIC, until) != 0)
        return;
    /* Without a hold, it is only about to be taken, or taken over: that fails from now on. */
    bool had_hold = kept->hold;
    int status = 0;
    probe_target_wait_until(kept->target->target, until);
    while (kept->hold && is_for_now(status = kept_give(service, kept, &call)) &&
           !clock_is_past(until))
        nanosleep(&pause, NULL);
    /* What could not be done now is left to whoever guards the hold. */
    if (had_hold && (status == 0 || status == -ESRCH) && service->keeper.given)
        service->keeper.given(kept->file);
    pthread_mutex_unlock(&kept->target->lock);
}

void keeper_end_holds(struct service *service)
{
    struct keeper *keeper = &service->keeper;
    const struct timespec until = clock_after(END_WAIT_MILLISECONDS * CLOCK_MILLISECOND);
    struct kept_hold *kept = NULL;
    struct kept_hold *next = NULL;
    atomic_store(&keeper->ending, true);
    pthread_mutex_lock(&keeper->lock);
    HASH_ITER (hh, keeper->table, kept, next)
        end_hold(service, kept, &until);
    pthread_mutex_unlock(&keeper->lock);
}
