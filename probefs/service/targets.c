/* SPDX-License-Identifier: MIT */
#include "service/targets.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How many targets that nobody uses are kept; how many of them are looked at for each new one. */
enum { UNUSED_MAX = 256, LOOKED_AT = 2 };

int service_targets_init(struct service_targets *targets, struct probe_engine *engine)
{
    *targets = (struct service_targets){.engine = engine};
    return -pthread_mutex_init(&targets->lock, NULL);
}

static void target_free(struct service_target *target)
{
    counts_done(&target->counts);
    probe_target_close(target->target);
    pthread_mutex_destroy(&target->lock);
    free(target);
}

/* Takes TARGET out of the table; it lives on while it is in use. Called with the lock held. */
static void target_unlist(struct service_targets *targets, struct service_target *target)
{
    if (!target->listed)
        return;
    HASH_DEL(targets->table, target);
    target->listed = false;
    if (target->users == 0)
        target_free(target);
}

void service_targets_done(struct service_targets *targets)
{
    struct service_target *target = NULL;
    struct service_target *next = NULL;
    HASH_ITER (hh, targets->table, target, next)
        target_unlist(targets, target);
    pthread_mutex_destroy(&targets->lock);
}

/* Asked in a way that cannot wait: reading /proc/PID/stat can, without end. */
static bool has_process_ended(const struct service_target *target)
{
    int process = (int)syscall(SYS_pidfd_open, target->pid, 0);
    if (process < 0)
        return errno == ESRCH;
    close(process);
    return false;
}

/*
 * Forgets some of those whose process has ended since their last use, with the descriptors that
 * they have of it: as many at least as come. Called with the lock held.
 */
static void forget_ended(struct service_targets *targets)
{
    struct service_target *target = targets->table;
    for (unsigned int i = 0; i < LOOKED_AT && target; i++) {
        struct service_target *next = target->hh.next;
        if (target->users == 0 && has_process_ended(target))
            target_unlist(targets, target);
        target = next;
    }
}

static int target_new(struct service_targets *targets, pid_t pid, const struct probe_image_id *id,
                      struct service_target **result)
{
    struct service_target *target = calloc(1, sizeof(*target));
    if (!target || probe_target_new(targets->engine, &target->target) < 0) {
        free(target);
        return -ENOMEM;
    }
    pthread_mutex_init(&target->lock, NULL);
    target->pid = pid;
    target->id = *id;
    target->counts_lent = PROBE_IMAGE_NONE;
    probe_target_expect(target->target, pid, id);
    *result = target;
    return 0;
}

static int target_add(struct service_targets *targets, pid_t pid, const struct probe_image_id *id,
                      struct service_target **result)
{
    forget_ended(targets);
    struct service_target *target = NULL;
    int status = target_new(targets, pid, id, &target);
    if (status < 0)
        return status;
    HASH_ADD_INT(targets->table, pid, target);
    if (!target->hh.tbl) {
        target_free(target);
        return -ENOMEM;
    }
    target->listed = true;
    *result = target;
    return 0;
}

/*
 * Is ID what this process may see of an image that it may not open, and KNOWN perhaps that image,
 * as it was lent? The call that has ID is refused, and comes again with what is lent.
 */
static bool hides_known(const struct probe_image_id *id, const struct probe_image_id *known)
{
    return id->layout[0] == 1 && known->layout[0] != 1 && id->start_time == known->start_time;
}

int service_targets_get(struct service_targets *targets, pid_t pid, const struct probe_image_id *id,
                        struct service_target **result)
{
    pthread_mutex_lock(&targets->lock);
    struct service_target *target = NULL;
    HASH_FIND_INT(targets->table, &pid, target);
    int status = 0;
    if (target && hides_known(id, &target->id)) {
        /* For this call alone, as the one that is listed may be counted. */
        status = target_new(targets, pid, id, &target);
    } else if (!target || !probe_image_id_equal(&target->id, id)) {
        if (target)
            target_unlist(targets, target);
        status = target_add(targets, pid, id, &target);
    }
    if (status == 0) {
        target->users++;
        *result = target;
    }
    pthread_mutex_unlock(&targets->lock);
    return status;
}

/* The table is in the order of the last uses, so the first that is unused goes first. */
static void forget_oldest(struct service_targets *targets)
{
    struct service_target *target = targets->table;
    while (target && target->users > 0)
        target = target->hh.next;
    if (target)
        target_unlist(targets, target);
}

/* To the end of the order. */
static void move_to_end(struct service_targets *targets, struct service_target *target)
{
    HASH_DEL(targets->table, target);
    target->hh.tbl = NULL;
    HASH_ADD_INT(targets->table, pid, target);
    target->listed = target->hh.tbl != NULL;
    if (!target->listed && target->users == 0)
        target_free(target);
}

void service_targets_put(struct service_targets *targets, struct service_target *target, bool keep)
{
    pthread_mutex_lock(&targets->lock);
    target->users--;
    if (!target->listed) {
        if (target->users == 0)
            target_free(target);
    } else if ((!keep && target->users == 0) || atomic_load(&target->gone)) {
        target_unlist(targets, target);
    } else {
        /* The last has its place: to take out the only one would be to make a table anew. */
        if (target->hh.next)
            move_to_end(targets, target);
        if (HASH_COUNT(targets->table) > UNUSED_MAX)
            forget_oldest(targets);
    }
    pthread_mutex_unlock(&targets->lock);
}

void service_target_note_end(struct service_target *target, int status)
{
    if (status == -ESRCH)
        atomic_store(&target->gone, true);
}

/* Which image is meant? */
static int identify(struct service_targets *targets, const struct call *call,
                    struct probe_image_id *id)
{
    *id = call->request.any_image ? call->image.id : call->request.id;
    return call->request.any_image && call->image.pid == 0
               ? probe_image_identify(targets->engine, call->request.pid, id)
               : 0;
}

int service_targets_find(struct service_targets *targets, struct call *call,
                         struct service_target **target)
{
    struct probe_image_id id;
    int status = identify(targets, call, &id);
    if (status < 0)
        return status;
    call->reply.id = id;
    return service_targets_get(targets, call->request.pid, &id, target);
}

void service_target_lock(struct service_target *target, const struct call *call)
{
    pthread_mutex_lock(&target->lock);
    probe_target_wait_until(target->target, call->request.wait > 0 ? &call->until : NULL);
}

int service_targets_lock(struct service_targets *targets, struct call *call,
                         struct service_target **target)
{
    int status = service_targets_find(targets, call, target);
    if (status == 0)
        service_target_lock(*target, call);
    return status;
}

void service_targets_unlock(struct service_targets *targets, struct service_target *target,
                            int status, bool keep)
{
    service_target_note_end(target, status);
    pthread_mutex_unlock(&target->lock);
    service_targets_put(targets, target, keep);
}
