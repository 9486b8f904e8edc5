/* SPDX-License-Identifier: MIT */
#include "service/answers.h"
#include "shared/clock.h"

#include <errno.h>
#include <utlist.h>

/* Between two looks for images that have gone. */
#define LOOK_AGAIN (CLOCK_SECOND / 4)

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
    atomic_fetch_sub(&counting->count, 1);
}

/* ---- images that have gone --------------------------------------------------------------- */

/* Takes out a target whose image has gone, and locks it; NULL: there is none. */
static struct service_target *take_ended(struct counting *counting)
{
    struct service_target *target = NULL;
    pthread_mutex_lock(&counting->lock);
    LL_FOREACH2(counting->targets, target, next_counting)
    {
        /* Whoever has it waits for us perhaps, or is long at it: another time. */
        if (pthread_mutex_trylock(&target->lock) != 0)
            continue;
        if (counts_have_ended(&target->counts))
            break;
        pthread_mutex_unlock(&target->lock);
    }
    if (target)
        forget(counting, target);
    pthread_mutex_unlock(&counting->lock);
    return target;
}

static void end_ended(struct service *service)
{
    struct service_target *target = NULL;
    while ((target = take_ended(&service->counting))) {
        counts_done(&target->counts);
        service_targets_unlock(&service->targets, target, -ESRCH, false);
    }
}

static void *look(void *data)
{
    struct service *service = data;
    struct counting *counting = &service->counting;
    pthread_mutex_lock(&counting->lock);
    while (!counting->ending) {
        const struct timespec next = clock_after(LOOK_AGAIN);
        if (counting->targets)
            pthread_cond_timedwait(&counting->changed, &counting->lock, &next);
        else
            pthread_cond_wait(&counting->changed, &counting->lock);
        pthread_mutex_unlock(&counting->lock);
        end_ended(service);
        pthread_mutex_lock(&counting->lock);
    }
    pthread_mutex_unlock(&counting->lock);
    return NULL;
}

/* Called with the lock held. Without a thread, the next that counts tries again. */
static void start_looker(struct service *service)
{
    struct counting *counting = &service->counting;
    pthread_attr_t attributes;
    if (counting->has_looker)
        return;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    counting->has_looker = pthread_create(&counting->looker, &attributes, look, service) == 0;
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

void counting_note(struct service *service, struct service_target *target)
{
    struct counting *counting = &service->counting;
    bool counts = target->counts.groups != NULL;
    bool begins = counts && !target->counts_use && use(service, target);
    bool ends = !counts && target->counts_use;
    pthread_mutex_lock(&counting->lock);
    if (begins) {
        target->counts_use = true;
        LL_PREPEND2(counting->targets, target, next_counting);
        atomic_fetch_add(&counting->count, 1);
        start_looker(service);
        pthread_cond_signal(&counting->changed);
    } else if (ends) {
        forget(counting, target);
    }
    pthread_mutex_unlock(&counting->lock);
    if (ends)
        service_targets_put(&service->targets, target, true);
}

static void end_looker(struct counting *counting)
{
    pthread_mutex_lock(&counting->lock);
    counting->ending = true;
    pthread_cond_signal(&counting->changed);
    pthread_mutex_unlock(&counting->lock);
    if (counting->has_looker)
        pthread_join(counting->looker, NULL);
}

void counting_done(struct service *service)
{
    struct counting *counting = &service->counting;
    end_looker(counting);
    while (counting->targets) {
        struct service_target *target = counting->targets;
        forget(counting, target);
        counts_done(&target->counts);
        service_targets_put(&service->targets, target, true);
    }
    pthread_cond_destroy(&counting->changed);
    pthread_mutex_destroy(&counting->lock);
}
