/* SPDX-License-Identifier: MIT */
#include "service/access.h"
#include "service/answers.h"
#include "shared/clock.h"

#include <errno.h>
#include <utlist.h>

/* Between two looks for images that have gone, and for what is loaded. */
#define LOOK_AGAIN (CLOCK_SECOND / 4)
#define JOIN_AGAIN (CLOCK_SECOND / 2)

enum { STACK_SIZE = 1 << 20 };

int counting_init(struct counting *counting)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&counting->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return -pthread_mutex_init(&counting->lock, NULL);
}

bool counting_is_on(const struct service *service)
{
    return atomic_load(&service->counting.count) > 0;
}

/* Called with the lock held. */
static void forget(struct counting *counting, struct service_target *target)
{
    LL_DELETE2(counting->targets, target, next_counting);
    target->counts_use = false;
    probe_image_done(&target->counts_lent);
    atomic_fetch_sub(&counting->count, 1);
}

/* ---- images that have gone --------------------------------------------------------------- */

/* Lets go of TARGET, which is locked, if its image has gone. Is nothing left to be done with it? */
static bool is_over(struct service_target *target)
{
    if (counts_have_ended(&target->counts)) {
        counts_release(&target->counts);
        service_target_note_end(target, -ESRCH);
    }
    return !counts_sweep(&target->counts);
}

/* Takes out a target that is over, and locks it; NULL: there is none. */
static struct service_target *take_over(struct counting *counting)
{
    struct service_target *target = NULL;
    pthread_mutex_lock(&counting->lock);
    LL_FOREACH2(counting->targets, target, next_counting)
    {
        /* Whoever has it waits for us perhaps, or is long at it: another time. */
        if (pthread_mutex_trylock(&target->lock) != 0)
            continue;
        if (is_over(target))
            break;
        pthread_mutex_unlock(&target->lock);
    }
    if (target)
        forget(counting, target);
    pthread_mutex_unlock(&counting->lock);
    return target;
}

static void look_at_all(struct service *service)
{
    struct service_target *target = NULL;
    while ((target = take_over(&service->counting)))
        service_targets_unlock(&service->targets, target, 0, true);
}

/* ---- what is loaded later ---------------------------------------------------------------- */

/* Locks a target that was not looked at in this round; NULL: there is none. It stays, locked. */
static struct service_target *take_next(struct counting *counting)
{
    struct service_target *target = NULL;
    pthread_mutex_lock(&counting->lock);
    LL_FOREACH2(counting->targets, target, next_counting)
    {
        /* Requests may have it for long. */
        if (target->joined == counting->round || pthread_mutex_trylock(&target->lock) != 0)
            continue;
        target->joined = counting->round;
        break;
    }
    pthread_mutex_unlock(&counting->lock);
    return target;
}

static void join_all(struct service *service)
{
    struct service_target *target = NULL;
    struct probe_error unused;
    service->counting.round++;
    while ((target = take_next(&service->counting))) {
        if (access_again(service->engine, target, &target->counts_lent) == 0 &&
            probe_target_look(target->target, &unused) == 0)
            counts_join(&target->counts, target->target);
        access_end(target);
        pthread_mutex_unlock(&target->lock);
    }
}

/* ---- the threads ------------------------------------------------------------------------- */

/* Does WORK each INTERVAL, while something is counted. */
static void repeat(struct service *service, int64_t interval, void (*work)(struct service *service))
{
    struct counting *counting = &service->counting;
    pthread_mutex_lock(&counting->lock);
    while (!counting->ending) {
        const struct timespec next = clock_after(interval);
        if (counting->targets)
            pthread_cond_timedwait(&counting->changed, &counting->lock, &next);
        else
            pthread_cond_wait(&counting->changed, &counting->lock);
        pthread_mutex_unlock(&counting->lock);
        work(service);
        pthread_mutex_lock(&counting->lock);
    }
    pthread_mutex_unlock(&counting->lock);
}

static void *look(void *data)
{
    repeat(data, LOOK_AGAIN, look_at_all);
    return NULL;
}

static void *join(void *data)
{
    repeat(data, JOIN_AGAIN, join_all);
    return NULL;
}

/* Called with the lock held. Without the threads, the next that counts tries again. */
static void start_threads(struct service *service)
{
    struct counting *counting = &service->counting;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (!counting->has_looker)
        counting->has_looker = pthread_create(&counting->looker, &attributes, look, service) == 0;
    if (!counting->has_joiner)
        counting->has_joiner = pthread_create(&counting->joiner, &attributes, join, service) == 0;
    pthread_attr_destroy(&attributes);
}

/* ---- beginning and end ------------------------------------------------------------------- */

/* One more use of TARGET, unless its image has gone. */
static bool use(struct service *service, struct service_target *target)
{
    struct service_target *used = NULL;
    if (service_targets_get(&service->targets, target->pid, &target->id, &used) < 0)
        return false;
    if (used != target)
        service_targets_put(&service->targets, used, true);
    return used == target;
}

/* The joiner will need TARGET's image, which is attached, if it was lent. Without, nothing joins.
 */
static void keep_lent(struct service_target *target)
{
    if (!probe_target_is_own(target->target) &&
        probe_target_copy_image(target->target, &target->counts_lent) < 0)
        target->counts_lent = PROBE_IMAGE_NONE;
}

void counting_note(struct service *service, struct service_target *target)
{
    struct counting *counting = &service->counting;
    bool counts = counts_sweep(&target->counts);
    bool begins = counts && !target->counts_use && use(service, target);
    bool ends = !counts && target->counts_use;
    pthread_mutex_lock(&counting->lock);
    if (begins) {
        target->counts_use = true;
        keep_lent(target);
        LL_PREPEND2(counting->targets, target, next_counting);
        atomic_fetch_add(&counting->count, 1);
        start_threads(service);
        pthread_cond_broadcast(&counting->changed);
    } else if (ends) {
        forget(counting, target);
    }
    pthread_mutex_unlock(&counting->lock);
    if (ends)
        service_targets_put(&service->targets, target, true);
}

static void end_threads(struct counting *counting)
{
    pthread_mutex_lock(&counting->lock);
    counting->ending = true;
    pthread_cond_broadcast(&counting->changed);
    pthread_mutex_unlock(&counting->lock);
    if (counting->has_looker)
        pthread_join(counting->looker, NULL);
    if (counting->has_joiner)
        pthread_join(counting->joiner, NULL);
}

void counting_done(struct service *service)
{
    struct counting *counting = &service->counting;
    struct service_target *target = NULL;
    end_threads(counting);
    /* All of them at the same time. */
    LL_FOREACH2(counting->targets, target, next_counting)
    {
        counts_release(&target->counts);
    }
    while ((target = counting->targets)) {
        forget(counting, target);
        counts_done(&target->counts);
        service_targets_put(&service->targets, target, true);
    }
    pthread_cond_destroy(&counting->changed);
    pthread_mutex_destroy(&counting->lock);
}
