/* SPDX-License-Identifier: MIT */
/*
 * A reference knows its counters by object and address: a library loaded later brings counters of
 * the same name that the reference is not in, and an unloaded one took its counters along.
 */
#include "update/update.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct taken {
    uint64_t address; /* at runtime */
    uint64_t bias, device, inode;
};

struct probe_reference {
    char *name;
    struct taken *taken; /* sorted by address */
    size_t count;
};

void probe_reference_free(struct probe_reference *reference)
{
    if (!reference)
        return;
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
    const struct saved saved = {reference->count, strlen(reference->name)};
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

int probe_reference_take(struct probe_target *target, size_t index, struct probe_reference **result,
                         struct probe_error *error)
{
    struct probe_reference *reference = NULL;
    const struct plan_change change = {.action = PROBE_COUNT_ADD};
    int status = remember_counters(target, index, &reference);
    if (status < 0)
        return error_memory(error);
    status = apply_one(target, index, &change, error);
    if (status < 0)
        probe_reference_free(reference);
    else
        *result = reference;
    return status;
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

/* A reference that is being given back; `only` has room for all of its counters. */
struct giving {
    struct probe_target *target;
    const struct probe_reference *reference;
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
        if (is_loaded(target, &reference->taken[i]))
            giving->only[change.only_count++] = reference->taken[i].address;
    }
    return apply_one(target, (size_t)index, &change, error);
}

int probe_reference_give(struct probe_target *target, struct probe_reference *reference,
                         struct probe_error *error)
{
    struct giving giving = {target, reference, calloc(reference->count + 1, sizeof(uint64_t))};
    if (!giving.only)
        return error_memory(error);
    int status = probe_target_look(target, error);
    if (status == 0)
        status = probe_target_settle(target, give_to_known, &giving, error);
    free(giving.only);
    return status;
}
