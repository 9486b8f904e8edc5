/* SPDX-License-Identifier: MIT */
/*
 * How an update is applied:
 *
 *   1. lock the target against other updates, including those of other programs
 *   2. look again: is it the same image, and which objects are loaded now?
 *   3. read all counters and sites of the probes
 *   4. check every address against the mappings, every site against its file, every value
 *   5. write counters and sites one by one; if a write fails, write the inverse
 *
 * Nothing is written before step 5, so a failure before it has changed nothing. If the target is to
 * be stopped, steps 2 and 3 are done before the stop and 3 to 5 during it: the target waits, and
 * for the mappings that are written, step 4 asks all that matters. Files are read before the stop,
 * as the stopped process may be the server of such a file.
 */
#include "update/update.h"

#include "process/deadline.h"
#include "process/diagnose.h"
#include "process/tracee.h"
#include "shared/array.h"
#include "target/sharing.h"
#include "target/site-bytes.h"
#include "update/checks.h"
#include "update/kernel-tracers.h"
#include "update/plan-apply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* The pause between two tries for the lock: flock() itself could wait for ever. */
enum { LOCK_WAIT_NS = 200000 };

/* How often an update is tried that fails because of what is in memory. */
enum { TRIES = 2 };

int probe_update_new(struct probe_target *target, struct probe_update **result)
{
    struct probe_update *update = calloc(1, sizeof(*update));
    uint32_t *added = calloc(target->probe_count + 1, sizeof(*added));
    if (!update || !added) {
        free(update);
        free(added);
        return -ENOMEM;
    }
    update->target = target;
    update->generation = target->generation;
    update->added = added;
    *result = update;
    return 0;
}

void probe_update_free(struct probe_update *update)
{
    if (!update)
        return;
    free(update->indices);
    free(update->changes);
    free(update->added);
    free(update);
}

static int make_room(struct probe_update *update)
{
    size_t room = update->room;
    if (ARRAY_RESERVE(update->indices, room, update->count + 1) < 0)
        return -ENOMEM;
    return ARRAY_RESERVE(update->changes, update->room, update->count + 1);
}

int update_add(struct probe_update *update, size_t index, const struct plan_change *change,
               struct probe_error *error)
{
    if (update->generation != update->target->generation)
        return error_set(error, EAGAIN, "process %d has loaded or unloaded objects",
                         update->target->image.pid);
    if (!probe_target_is_switchable(update->target, index))
        return error_set(error, EINVAL,
                         "probe '%s' of process %d has no semaphore, so it can be watched, not "
                         "switched",
                         probe_target_name(update->target, index), update->target->image.pid);
    if (update->added[index] > 0) {
        const struct plan_change *before = &update->changes[update->added[index] - 1];
        if (before->action == change->action && before->value == change->value)
            return 0;
        return error_set(error, EINVAL, "probe '%s' cannot get two values in one update",
                         probe_target_name(update->target, index));
    }
    if (make_room(update) < 0)
        return error_memory(error);
    update->indices[update->count] = index;
    update->changes[update->count] = *change;
    update->changes[update->count].probe = update->count;
    update->added[index] = (uint32_t)++update->count;
    return 0;
}

void update_order(struct probe_update *update, size_t first, size_t second)
{
    uint32_t a = update->added[first] - 1;
    uint32_t b = update->added[second] - 1;
    if (a <= b)
        return;
    struct plan_change change = update->changes[a];
    update->changes[a] = update->changes[b];
    update->changes[b] = change;
    update->indices[a] = second;
    update->indices[b] = first;
    update->changes[a].probe = a;
    update->changes[b].probe = b;
    update->added[first] = b + 1;
    update->added[second] = a + 1;
}

int probe_update_add(struct probe_update *update, size_t index, enum probe_action action,
                     unsigned int value, struct probe_error *error)
{
    const struct plan_change change = {.action = action, .value = value};
    return update_add(update, index, &change, error);
}

/* Collects the addresses of the counters that the update sets, sorted. */
static size_t find_forgotten(const struct probe_update *update, uint64_t *addresses)
{
    const struct probe_target *target = update->target;
    size_t count = 0;
    for (size_t i = 0; i < update->count; i++) {
        const struct target_probe *probe = &target->probes[update->indices[i]];
        for (uint32_t p = 0; p < probe->part_count; p++) {
            const struct part *part = &target->parts[probe->first_part + p];
            const struct counter *counters =
                &part->loaded->object->counters[part->probe->first_counter];
            for (uint32_t c = 0;
                 c < part->probe->counter_count && plan_forgets_references(&update->changes[i]);
                 c++)
                addresses[count++] = counters[c].address + part->loaded->bias;
        }
    }
    sharing_sort(addresses, count);
    return count;
}

static size_t count_counters(const struct probe_update *update)
{
    const struct probe_target *target = update->target;
    size_t count = 0;
    for (size_t i = 0; i < update->count; i++) {
        const struct target_probe *probe = &target->probes[update->indices[i]];
        for (uint32_t p = 0; p < probe->part_count; p++)
            count += target->parts[probe->first_part + p].probe->counter_count;
    }
    return count;
}

int probe_update_resets(const struct probe_update *update, size_t **result, size_t *result_count)
{
    uint64_t *addresses = calloc(count_counters(update) + 1, sizeof(*addresses));
    size_t *indices = calloc(update->target->probe_count + 1, sizeof(*indices));
    if (!addresses || !indices) {
        free(addresses);
        free(indices);
        return -ENOMEM;
    }
    size_t count = find_forgotten(update, addresses);
    *result_count = count ? sharing_find(update->target, addresses, count, NULL, indices) : 0;
    *result = indices;
    free(addresses);
    return 0;
}

/* Keeps out other updates, including those of other programs, until unlock_target(). */
static int lock_target(const struct probe_target *target, const struct timespec *deadline,
                       struct probe_error *error)
{
    if (target->image.mem < 0)
        return error_set(error, EACCES, "process %d is not open for writing", target->image.pid);
    while (flock(target->image.mem, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set(error, EIO, "process %d: cannot lock its memory: %s",
                             target->image.pid, strerror(errno));
        if (clock_is_past(deadline))
            return error_set(error, ETIMEDOUT,
                             "process %d: another program holds its lock, and does not end its "
                             "update",
                             target->image.pid);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
    }
    return 0;
}

static void unlock_target(const struct probe_target *target)
{
    flock(target->image.mem, LOCK_UN);
}

/* ---- applying --------------------------------------------------------------------------- */

static int apply_snapshot(struct probe_update *update, const struct probe_snapshot *snapshot,
                          const struct memory_writer *writer, struct probe_error *error)
{
    struct probe_target *target = update->target;
    struct site_bytes bytes = {0};
    struct plan plan = {0};
    int status = update_verify_mappings(update, snapshot, error);
    if (status == 0)
        status = update_check_addresses(target, snapshot, error);
    if (status == 0)
        status = kernel_tracers_check(update, snapshot, error);
    if (status == 0)
        status = site_bytes_init(target, snapshot, &bytes, error);
    if (status == 0)
        status = plan_make(snapshot, update->changes, update->count, site_bytes_find, &bytes, &plan,
                           error);
    if (status == 0)
        status = plan_apply(target->engine, writer, &plan, error);
    plan_done(&plan);
    site_bytes_done(&bytes);
    return status;
}

/* Steps 3 to 5. If WRITER is NULL, only what may be slow: reading memory and files. */
static int apply_to_known(struct probe_update *update, const struct memory_writer *writer,
                          struct probe_error *error)
{
    struct probe_target *target = update->target;
    struct probe_snapshot snapshot;
    struct site_bytes bytes = {0};
    int status = snapshot_init(target, update->indices, update->count, &snapshot, error);
    if (status < 0)
        return status;
    status = writer ? apply_snapshot(update, &snapshot, writer, error)
                    : update_verify_files(update, &snapshot, error);
    if (status == 0 && !writer)
        status = site_bytes_init(target, &snapshot, &bytes, error);
    site_bytes_done(&bytes);
    snapshot_done(&snapshot);
    return status;
}

/* Steps 2 to 5. */
static int apply_once(struct probe_update *update, const struct memory_writer *writer,
                      struct probe_error *error)
{
    struct probe_target *target = update->target;
    int status = probe_target_glance(target, error);
    if (status == 0)
        status = update_check_generation(update, error);
    return status < 0 ? status : apply_to_known(update, writer, error);
}

struct stopped_update {
    struct probe_update *update;
    struct memory_refusals *refusals;
    bool looked; /* step 2 was done just before the stop */
    struct probe_error *error;
};

/* Reads files and brings in pages while the target still runs. */
static int prepare_stopped(void *data)
{
    struct stopped_update *stopped = data;
    stopped->looked = true;
    return apply_once(stopped->update, NULL, stopped->error);
}

/* Called by the tracing thread. */
static int apply_stopped(void *data, pid_t tid)
{
    const struct stopped_update *stopped = data;
    struct probe_target *target = stopped->update->target;
    const struct memory_writer writer = {
        .image = &target->image,
        .way = MEMORY_STOPPED,
        .tid = tid,
        .maps = &target->maps,
        .refusals = stopped->refusals,
    };
    if (!stopped->looked)
        return apply_once(stopped->update, &writer, stopped->error);
    target_distrust(target);
    return apply_to_known(stopped->update, &writer, stopped->error);
}

static int stop_and_apply(struct probe_update *update, struct memory_refusals *refusals,
                          const struct timespec *deadline, struct probe_error *error)
{
    struct probe_target *target = update->target;
    struct stopped_update stopped = {update, refusals, false, error};
    if (target->stop)
        return tracee_act(target->stop, apply_stopped, &stopped);
    const struct tracee_task task = {prepare_stopped, apply_stopped, &stopped};
    return tracee_run(target->engine, target->image.pid, deadline, &task, error);
}

/*
 * The same where our own authority does not reach: whoever lent the image stops its process, and
 * writes the code. Errors: EOPNOTSUPP nobody does.
 */
static int stop_lent_and_apply(struct probe_update *update, struct memory_refusals *refusals,
                               struct probe_error *error)
{
    struct probe_target *target = update->target;
    const struct probe_tracer *tracer = target->engine->options.tracer;
    struct stopped_update stopped = {update, refusals, false, error};
    if (!tracer)
        return -EOPNOTSUPP;
    int status = prepare_stopped(&stopped);
    if (status == 0)
        status = tracer->stop(tracer->data, &target->image, error);
    if (status < 0)
        return status;
    const struct memory_writer writer = {
        .image = &target->image,
        .way = MEMORY_STOPPED,
        .tracer = tracer,
        .maps = &target->maps,
        .refusals = refusals,
    };
    target_distrust(target);
    status = apply_to_known(update, &writer, error);
    tracer->resume(tracer->data, &target->image);
    return status;
}

/* Stops the target by whoever may. */
static int stop_as_may_be(struct probe_update *update, struct memory_refusals *refusals,
                          const struct timespec *deadline, struct probe_error *error)
{
    const struct probe_target *target = update->target;
    if (target->stop || target->image.own)
        return stop_and_apply(update, refusals, deadline, error);
    int status = refusals->counters ? -EOPNOTSUPP : stop_lent_and_apply(update, refusals, error);
    if (status != -EOPNOTSUPP && status != -EROFS)
        return status;
    if (refusals->counters || refusals->code)
        return error_set(error, EPERM,
                         "process %d: the kernel refuses %s, and the process cannot be stopped "
                         "with its user's authority",
                         target->image.pid,
                         refusals->counters ? "writes to its mem" : "forced writes to its code");
    return error_set(error, EPERM,
                     "process %d cannot be stopped with its user's authority, and nobody with "
                     "more can be asked",
                     target->image.pid);
}

/* Is the failure one of what was found in memory, or of writing there? */
static bool is_about_memory(int status)
{
    return status == -EFAULT || status == -EIO || status == -EROFS || status == -ENOEXEC ||
           status == -EACCES || status == -ERANGE || status == -EOVERFLOW;
}

/*
 * If an object is unloaded after we looked, reads see other memory and writes fail. The update was
 * only stale: EAGAIN.
 */
static int look_after(struct probe_update *update, int status, struct probe_error *error)
{
    struct probe_target *target = update->target;
    struct probe_error reason;
    int looked = probe_target_look(target, &reason);
    if (looked == -ESRCH && error)
        *error = reason;
    if (looked == -ESRCH)
        return looked;
    return looked == 0 && update->generation != target->generation
               ? error_set(error, EAGAIN, "process %d has loaded or unloaded objects",
                           target->image.pid)
               : status;
}

/* Without stopping anybody. */
static int apply_running(struct probe_update *update, struct memory_refusals *refusals,
                         struct probe_error *error)
{
    struct probe_target *target = update->target;
    bool is_self = target->engine->options.method == PROBE_METHOD_SELF;
    const struct memory_writer writer = {
        .image = &target->image,
        .way = is_self          ? MEMORY_SELF
               : target->traced ? MEMORY_STOPPED
                                : MEMORY_RUNNING,
        .tid = target->image.tid,
        .maps = &target->maps,
        .refusals = refusals,
    };
    if (is_self && target->image.pid != getpid())
        return error_set(error, EINVAL, "process %d is not the calling one, which is %d",
                         target->image.pid, getpid());
    return apply_once(update, &writer, error);
}

/* Stops the target first, if that is the method and can be done. */
static int apply_in_order(struct probe_update *update, struct memory_refusals *refusals,
                          const struct timespec *deadline, struct probe_error *error)
{
    const struct probe_target *target = update->target;
    bool by_stopping = target->engine->options.method == PROBE_METHOD_PTRACE;
    if (target->traced || (!target->stop && !by_stopping))
        return apply_running(update, refusals, error);
    if (!update->stop_is_optional)
        return stop_as_may_be(update, refusals, deadline, error);
    const struct timespec soon = clock_after(DEADLINE_OF_TRY);
    int status = stop_as_may_be(update, refusals, &soon, error);
    return status == -EBUSY || status == -ETIMEDOUT || status == -EPERM
               ? apply_running(update, refusals, error)
               : status;
}

static int apply_locked(struct probe_update *update, const struct timespec *deadline,
                        struct probe_error *error)
{
    struct probe_target *target = update->target;
    struct memory_refusals refusals = {0};
    int status = apply_in_order(update, &refusals, deadline, error);
    if (status == -EROFS)
        status = look_after(update, status, error);
    if (status == -EROFS)
        status = stop_as_may_be(update, &refusals, deadline, error);
    /* If it was not done, something else may have been the reason. */
    if (status == 0)
        diagnose_refusals(target->engine, &refusals);
    return status;
}

int probe_update_apply(struct probe_update *update, struct probe_error *error)
{
    const struct timespec deadline = clock_after(DEADLINE_OF_UPDATE);
    int status = lock_target(update->target, &deadline, error);
    if (status < 0)
        return status;
    for (int i = 0; i < TRIES; i++) {
        status = apply_locked(update, &deadline, error);
        if (!is_about_memory(status))
            break;
        /* An object may have gone and come back to the same place: real failures fail twice. */
        status = look_after(update, status, error);
        if (!is_about_memory(status))
            break;
    }
    unlock_target(update->target);
    return status;
}
