/* SPDX-License-Identifier: MIT */
#include "service/answers.h"

#include <errno.h>
#include <utlist.h>

int counting_init(struct counting *counting)
{
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

/* Takes out one whose process has ended; NULL: there is none. */
static struct service_target *take_ended(struct counting *counting)
{
    struct service_target *target = NULL;
    pthread_mutex_lock(&counting->lock);
    LL_FOREACH2(counting->targets, target, next_counting)
    {
        if (service_target_has_ended(target))
            break;
    }
    if (target)
        forget(counting, target);
    pthread_mutex_unlock(&counting->lock);
    return target;
}

/* Its counts end with the last use of it. */
static void forget_ended(struct service *service)
{
    struct service_target *target = NULL;
    while ((target = take_ended(&service->counting))) {
        service_target_note_end(target, -ESRCH);
        service_targets_put(&service->targets, target, false);
    }
}

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
    } else if (ends) {
        forget(counting, target);
    }
    pthread_mutex_unlock(&counting->lock);
    if (ends)
        service_targets_put(&service->targets, target, true);
    forget_ended(service);
}

void counting_done(struct service *service)
{
    struct counting *counting = &service->counting;
    while (counting->targets) {
        struct service_target *target = counting->targets;
        forget(counting, target);
        counts_done(&target->counts);
        service_targets_put(&service->targets, target, true);
    }
    pthread_mutex_destroy(&counting->lock);
}
