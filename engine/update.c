/* SPDX-License-Identifier: MIT */
/*
 * The way of an update:
 *
 *   1. lock the target against other updates, also those of other programs
 *   2. look again: the same image? which objects are loaded now?
 *   3. read all counters and sites of the probes
 *   4. check every address against the mappings, every site against its file, every value
 *   5. write, counter by counter and site by site; if a write fails, write the inverse
 *
 * Nothing is written before step 5, and whatever fails before it has changed nothing.
 */
#include "update.h"

#include "arch.h"
#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

/* How long another program's update may take; flock() itself could wait for ever. */
enum { LOCK_TRIES = 900, LOCK_WAIT_NS = 1000000 };

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
    if (update->count < update->room)
        return 0;
    size_t room = update->room ? update->room * 2 : 16;
    size_t *indices = reallocarray(update->indices, room, sizeof(*indices));
    if (indices)
        update->indices = indices;
    struct plan_change *changes = reallocarray(update->changes, room, sizeof(*changes));
    if (changes)
        update->changes = changes;
    if (!indices || !changes)
        return -ENOMEM;
    update->room = room;
    return 0;
}

int update_add(struct probe_update *update, size_t index, const struct plan_change *change,
               struct probe_error *error)
{
    if (update->generation != update->target->generation)
        return error_set(error, EAGAIN, "process %d has loaded or unloaded objects",
                         update->target->image.pid);
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

int probe_update_add(struct probe_update *update, size_t index, enum probe_action action,
                     unsigned int value, struct probe_error *error)
{
    const struct plan_change change = {.action = action, .value = value};
    return update_add(update, index, &change, error);
}

size_t probe_update_reset_count(const struct probe_update *update)
{
    size_t count = 0;
    for (size_t i = 0; i < update->count; i++)
        count += plan_forgets_references(&update->changes[i]);
    return count;
}

size_t probe_update_reset(const struct probe_update *update, size_t i)
{
    size_t at = 0;
    for (;; at++) {
        if (plan_forgets_references(&update->changes[at]) && i-- == 0)
            return update->indices[at];
    }
}

/* Keeps other updates out, of this program and of others; ended by unlock(). */
static int lock(const struct probe_target *target, struct probe_error *error)
{
    if (target->image.mem < 0)
        return error_set(error, EACCES, "process %d is not open for writing", target->image.pid);
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(target->image.mem, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set(error, EIO, "process %d: cannot lock its memory: %s",
                             target->image.pid, strerror(errno));
        nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
    }
    return error_set(error, ETIMEDOUT, "process %d: another update of it does not end",
                     target->image.pid);
}

static void unlock(const struct probe_target *target)
{
    flock(target->image.mem, LOCK_UN);
}

/* Does every address lie where this object's counters and sites may lie? */
static int check_addresses(const struct probe_target *target, const struct probe_snapshot *snapshot,
                           struct probe_error *error)
{
    for (size_t i = 0; i < snapshot->counter_count; i++) {
        const struct snapshot_counter *counter = &snapshot->counters[i];
        if (!loaded_owns(counter->loaded, &target->maps, counter->address, sizeof(counter->value),
                         LOADED_DATA, error))
            return -EACCES;
    }
    for (size_t i = 0; i < snapshot->site_count; i++) {
        const struct snapshot_site *site = &snapshot->sites[i];
        if (site->patched && !loaded_owns(site->loaded, &target->maps, site->address, SITE_LENGTH,
                                          LOADED_CODE, error))
            return -EACCES;
    }
    return 0;
}

typedef const uint8_t (*text_of_sites)[SITE_LENGTH];

struct texts {
    const struct probe_target *target;
    text_of_sites *of; /* for each of the target's loaded objects */
};

static int find_texts(struct probe_target *target, const struct probe_snapshot *snapshot,
                      struct texts *texts, struct probe_error *error)
{
    texts->target = target;
    texts->of = calloc(target->loaded.count + 1, sizeof(*texts->of));
    if (!texts->of)
        return error_memory(error);
    for (size_t i = 0; i < snapshot->site_count; i++) {
        const struct loaded *loaded = snapshot->sites[i].loaded;
        text_of_sites *text = &texts->of[loaded - target->loaded.items];
        int status = *text ? 0 : target_text(target, loaded, text, error);
        if (status < 0)
            return status;
    }
    return 0;
}

/* A plan_file_bytes. */
static const uint8_t *file_bytes(void *data, const struct snapshot_site *site)
{
    const struct texts *texts = data;
    return texts->of[site->loaded - texts->target->loaded.items][site->index];
}

static int write_step(const struct probe_image *image, const struct plan_step *step, uint16_t value,
                      struct probe_error *error)
{
    uint8_t byte = (uint8_t)value;
    return step->is_site ? memory_write(image, step->address, &byte, sizeof(byte), error)
                         : memory_write(image, step->address, &value, sizeof(value), error);
}

/* Applies the inverse of STEP to what is there now, which others may have changed since. */
static int undo_step(const struct probe_image *image, const struct plan_step *step)
{
    uint16_t now = 0;
    struct memory_piece piece = {step->address, step->is_site ? 1 : sizeof(now), (uint8_t *)&now};
    int status = memory_read(image, &piece, 1, NULL);
    if (status < 0)
        return status;
    if (step->is_site)
        return now == step->new ? write_step(image, step, step->old, NULL) : 0;
    int value = now - (step->new - step->old);
    value = value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value;
    return write_step(image, step, (uint16_t)value, NULL);
}

static int apply_plan(const struct probe_target *target, const struct plan *plan,
                      struct probe_error *error)
{
    for (size_t i = 0; i < plan->count; i++) {
        int status = write_step(&target->image, &plan->steps[i], plan->steps[i].new, error);
        if (status == 0)
            continue;
        while (i-- > 0) {
            if (undo_step(&target->image, &plan->steps[i]) < 0 && status != -ESRCH)
                engine_log(target->engine, PROBE_LOG_ERROR,
                           "process %d: an update failed, and what it wrote at 0x%" PRIx64
                           " cannot be taken back",
                           target->image.pid, plan->steps[i].address);
        }
        return status;
    }
    return 0;
}

/* ---- kernel tracers ---------------------------------------------------------------------- */

static int compare_addresses(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The counters whose references, the kernel's own among them, the update would forget. */
static size_t find_forgotten(const struct probe_update *update,
                             const struct probe_snapshot *snapshot, uint64_t *addresses)
{
    size_t count = 0;
    for (size_t i = 0; i < update->count; i++) {
        const struct snapshot_probe *probe = &snapshot->probes[i];
        for (size_t c = 0; c < probe->counter_count; c++) {
            const struct snapshot_counter *counter = &snapshot->counters[probe->first_counter + c];
            if (plan_forgets_references(&update->changes[i]) && counter->kernel_counts &&
                counter->value > 0)
                addresses[count++] = counter->address;
        }
    }
    qsort(addresses, count, sizeof(*addresses), compare_addresses);
    return count;
}

/* Does the part have one of the COUNT counters at ADDRESSES? */
static bool has_counter(const struct part *part, const uint64_t *addresses, size_t count)
{
    for (uint32_t c = 0; c < part->probe->counter_count; c++) {
        uint64_t address = part->loaded->object->counters[part->probe->first_counter + c].address +
                           part->loaded->bias;
        if (bsearch(&address, addresses, count, sizeof(address), compare_addresses))
            return true;
    }
    return false;
}

/* The probes, not in the update themselves, that have one of these counters. */
static size_t find_sharers(const struct probe_update *update, const uint64_t *addresses,
                           size_t count, size_t *sharers)
{
    const struct probe_target *target = update->target;
    size_t found = 0;
    for (size_t i = 0; i < target->probe_count; i++) {
        const struct target_probe *probe = &target->probes[i];
        bool shares = false;
        for (uint32_t p = 0; p < probe->part_count && !update->added[i] && !shares; p++)
            shares = has_counter(&target->parts[probe->first_part + p], addresses, count);
        if (shares)
            sharers[found++] = i;
    }
    return found;
}

/*
 * A counter that several probes share may hold the kernel's reference for any of them: the sites
 * of the update's own probes are looked at when it is planned, those of the others here.
 */
static int check_sharers(struct probe_update *update, const uint64_t *addresses, size_t count,
                         struct probe_error *error)
{
    struct probe_target *target = update->target;
    struct probe_snapshot snapshot = {0};
    struct texts texts = {0};
    size_t *sharers = calloc(target->probe_count + 1, sizeof(*sharers));
    if (!sharers)
        return error_memory(error);
    size_t sharer_count = find_sharers(update, addresses, count, sharers);
    int status = 0;
    if (sharer_count > 0)
        status = snapshot_init(target, sharers, sharer_count, &snapshot, error);
    if (status == 0)
        status = find_texts(target, &snapshot, &texts, error);
    for (size_t i = 0; i < snapshot.site_count && status == 0; i++) {
        const struct snapshot_site *site = &snapshot.sites[i];
        if (arch_is_traced(site->bytes, file_bytes(&texts, site)) &&
            bsearch(&snapshot.counters[site->counter].address, addresses, count, sizeof(*addresses),
                    compare_addresses))
            status = plan_fail_traced(snapshot.counters[site->counter].address, error);
    }
    free(texts.of);
    free(sharers);
    snapshot_done(&snapshot);
    return status;
}

static int check_tracers(struct probe_update *update, const struct probe_snapshot *snapshot,
                         struct probe_error *error)
{
    uint64_t *addresses = calloc(snapshot->counter_count + 1, sizeof(*addresses));
    if (!addresses)
        return error_memory(error);
    size_t count = find_forgotten(update, snapshot, addresses);
    int status = count > 0 ? check_sharers(update, addresses, count, error) : 0;
    free(addresses);
    return status;
}

static int apply_snapshot(struct probe_update *update, const struct probe_snapshot *snapshot,
                          struct probe_error *error)
{
    struct probe_target *target = update->target;
    struct texts texts = {0};
    struct plan plan = {0};
    int status = check_addresses(target, snapshot, error);
    if (status == 0)
        status = check_tracers(update, snapshot, error);
    if (status == 0)
        status = find_texts(target, snapshot, &texts, error);
    if (status == 0)
        status =
            plan_make(snapshot, update->changes, update->count, file_bytes, &texts, &plan, error);
    if (status == 0)
        status = apply_plan(target, &plan, error);
    plan_done(&plan);
    free(texts.of);
    return status;
}

static int apply_locked(struct probe_update *update, struct probe_error *error)
{
    struct probe_target *target = update->target;
    struct probe_snapshot snapshot;
    int status = probe_target_look(target, error);
    if (status < 0)
        return status;
    if (update->generation != target->generation)
        return error_set(error, EAGAIN, "process %d has loaded or unloaded objects",
                         target->image.pid);
    status = snapshot_init(target, update->indices, update->count, &snapshot, error);
    if (status < 0)
        return status;
    status = apply_snapshot(update, &snapshot, error);
    snapshot_done(&snapshot);
    return status;
}

int probe_update_apply(struct probe_update *update, struct probe_error *error)
{
    int status = lock(update->target, error);
    if (status < 0)
        return status;
    status = apply_locked(update, error);
    unlock(update->target);
    return status;
}
