/* SPDX-License-Identifier: MIT */
/*
 * A reference knows its counters by object and address: a library loaded later brings counters of
 * the same name that the reference is not in, and an unloaded one took its counters along.
 */
#include "update/reference.h"

#include "process/memory.h"
#include "process/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void probe_reference_free(struct probe_reference *reference)
{
    if (!reference)
        return;
    family_free(reference->family);
    free(reference->name);
    free(reference->taken);
    free(reference);
}

/*
 * The saved form: this, the counters, the name without its NUL. Writer and reader are the same
 * program, so fields are as in memory; but the reader believes none of them.
 */
struct saved {
    uint64_t count;
    uint64_t name_length;
    struct origin origin;
};

static int compare_taken(const void *a, const void *b)
{
    const struct taken *x = a;
    const struct taken *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

/* Remembers where the counters of probe INDEX are. */
static int remember_counters(struct probe_target *target, size_t index,
                             struct probe_reference **result)
{
    const struct target_probe *probe = &target->probes[index];
    struct probe_reference *reference = calloc(1, sizeof(*reference));
    size_t count = 0;
    if (!reference)
        return -ENOMEM;
    for (uint32_t i = 0; i < probe->part_count; i++)
        count += target->parts[probe->first_part + i].probe->counter_count;
    reference->name = strdup(target_probe_name(target, probe));
    reference->taken = calloc(count + 1, sizeof(*reference->taken));
    if (!reference->name || !reference->taken) {
        probe_reference_free(reference);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < probe->part_count; i++) {
        const struct part *part = &target->parts[probe->first_part + i];
        const struct loaded *loaded = part->loaded;
        for (uint32_t c = 0; c < part->probe->counter_count; c++)
            reference->taken[reference->count++] = (struct taken){
                .address =
                    loaded->object->counters[part->probe->first_counter + c].address + loaded->bias,
                .bias = loaded->bias,
                .device = loaded->device,
                .inode = loaded->inode,
            };
    }
    qsort(reference->taken, reference->count, sizeof(*reference->taken), compare_taken);
    *result = reference;
    return 0;
}

int probe_reference_save(const struct probe_reference *reference, char **bytes, size_t *length)
{
    const struct saved saved = {reference->count, strlen(reference->name), reference->origin};
    size_t taken_size = reference->count * sizeof(*reference->taken);
    size_t size = sizeof(saved) + taken_size + saved.name_length;
    char *result = malloc(size);
    if (!result)
        return -ENOMEM;
    memcpy(result, &saved, sizeof(saved));
    memcpy(result + sizeof(saved), reference->taken, taken_size);
    memcpy(result + sizeof(saved) + taken_size, reference->name, saved.name_length);
    *bytes = result;
    *length = size;
    return 0;
}

int probe_reference_restore(const char *bytes, size_t length, struct probe_reference **result)
{
    struct saved saved;
    if (length < sizeof(saved))
        return -EINVAL;
    memcpy(&saved, bytes, sizeof(saved));
    bytes += sizeof(saved);
    length -= sizeof(saved);
    if (saved.count > length / sizeof(struct taken) ||
        saved.name_length != length - saved.count * sizeof(struct taken))
        return -EINVAL;
    struct probe_reference *reference = calloc(1, sizeof(*reference));
    if (!reference)
        return -ENOMEM;
    size_t taken_size = saved.count * sizeof(*reference->taken);
    reference->count = saved.count;
    reference->origin = saved.origin;
    reference->taken = malloc(taken_size + 1);
    reference->name = strndup(bytes + taken_size, saved.name_length);
    if (!reference->taken || !reference->name) {
        probe_reference_free(reference);
        return -ENOMEM;
    }
    memcpy(reference->taken, bytes, taken_size);
    qsort(reference->taken, reference->count, sizeof(*reference->taken), compare_taken);
    *result = reference;
    return 0;
}

/* ---- values and times ------------------------------------------------------------------- */

uint64_t ticks_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t frequency = (uint64_t)sysconf(_SC_CLK_TCK);
    return (uint64_t)now.tv_sec * frequency + (uint64_t)now.tv_nsec / (1000000000 / frequency);
}

static bool is_loaded(const struct probe_target *target, const struct taken *taken)
{
    for (size_t i = 0; i < target->loaded.count; i++) {
        const struct loaded *loaded = &target->loaded.items[i];
        if (loaded->bias == taken->bias && loaded->device == taken->device &&
            loaded->inode == taken->inode)
            return true;
    }
    return false;
}

/* The counter's value; 0 if it cannot be read. Needs no memory. */
static uint32_t read_counter(struct probe_target *target, const struct taken *taken)
{
    uint16_t value = 0;
    struct memory_piece piece = {taken->address, sizeof(value), (uint8_t *)&value};
    bool read = is_loaded(target, taken) && memory_read(&target->image, &piece, 1, NULL) == 0;
    return read ? value : 0;
}

void reference_read(struct probe_target *target, const struct probe_reference *reference,
                    uint32_t *values)
{
    for (size_t i = 0; i < reference->count; i++)
        values[i] = read_counter(target, &reference->taken[i]);
}

/* Notes what the counters are, as the one value or the other. */
static void note_values(struct probe_target *target, struct probe_reference *reference,
                        bool is_given)
{
    for (size_t i = 0; i < reference->count; i++) {
        struct taken *taken = &reference->taken[i];
        *(is_given ? &taken->before : &taken->after) = read_counter(target, taken);
    }
}

/* ---- taking and giving ------------------------------------------------------------------ */

static int apply_one(struct probe_target *target, size_t index, const struct plan_change *change,
                     struct probe_error *error)
{
    struct probe_update *update = NULL;
    if (probe_update_new(target, &update) < 0)
        return error_memory(error);
    /* A reference that is not given back now may stay for ever. */
    update->stop_is_optional = change->action == PROBE_COUNT_SUBTRACT;
    int status = update_add(update, index, change, error);
    if (status == 0)
        status = probe_update_apply(update, error);
    probe_update_free(update);
    return status;
}

static void note_origin(struct probe_target *target, struct probe_reference *reference)
{
    struct origin *origin = &reference->origin;
    *origin = (struct origin){.pid = target->image.pid, .id = target->image.id};
    /* If it cannot be known, no child is of the same user. */
    if (proc_read_user(target->engine->proc, target->image.pid, &origin->user, &origin->group) < 0)
        origin->user = origin->group = (uid_t)-1;
    origin->taken.from = ticks_now();
}

int probe_reference_take(struct probe_target *target, size_t index, struct probe_reference **result,
                         struct probe_error *error)
{
    struct probe_reference *reference = NULL;
    const struct plan_change change = {.action = PROBE_COUNT_ADD};
    int status = remember_counters(target, index, &reference);
    if (status < 0)
        return error_memory(error);
    note_origin(target, reference);
    status = apply_one(target, index, &change, error);
    if (status < 0) {
        probe_reference_free(reference);
        return status;
    }
    reference->origin.taken.to = ticks_now();
    note_values(target, reference, false);
    *result = reference;
    return 0;
}

/* A reference that is being given back; `only` has room for all of its counters. */
struct giving {
    struct probe_target *target;
    const struct probe_reference *reference;
    const uint32_t *values, *required; /* see reference_subtract() */
    uint64_t *only;
};

/* A probe_attempt. */
static int give_to_known(void *data, struct probe_error *error)
{
    const struct giving *giving = data;
    struct probe_target *target = giving->target;
    const struct probe_reference *reference = giving->reference;
    ssize_t index = probe_target_find(target, reference->name);
    if (index < 0)
        return 0;
    struct plan_change change = {.action = PROBE_COUNT_SUBTRACT, .only = giving->only};
    for (size_t i = 0; i < reference->count; i++) {
        if (is_loaded(target, &reference->taken[i]) &&
            (!giving->required || giving->values[i] >= giving->required[i]))
            giving->only[change.only_count++] = reference->taken[i].address;
    }
    return change.only_count == 0 ? 0 : apply_one(target, (size_t)index, &change, error);
}

int reference_subtract(struct probe_target *target, const struct probe_reference *reference,
                       const uint32_t *values, const uint32_t *required, struct probe_error *error)
{
    struct giving giving = {target, reference, values, required, NULL};
    giving.only = calloc(reference->count + 1, sizeof(*giving.only));
    if (!giving.only)
        return error_memory(error);
    int status = probe_target_settle(target, give_to_known, &giving, error);
    free(giving.only);
    return status;
}

int probe_reference_give(struct probe_target *target, struct probe_reference *reference,
                         struct probe_error *error)
{
    int status = probe_target_look(target, error);
    if (status < 0) {
        probe_reference_forget(reference); /* its children are left */
        return status;
    }
    note_values(target, reference, true);
    reference->is_forgotten = false;
    reference->given.from = ticks_now();
    status = reference_subtract(target, reference, NULL, NULL, error);
    reference->given.to = ticks_now();
    return status;
}

void probe_reference_forget(struct probe_reference *reference)
{
    reference->is_forgotten = true;
    reference->given.from = reference->given.to = ticks_now();
}
