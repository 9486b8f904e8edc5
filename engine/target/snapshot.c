/* SPDX-License-Identifier: MIT */
#include "target/snapshot.h"

#include "arch/arch.h"
#include "process/memory.h"
#include "target/site-bytes.h"

#include <errno.h>
#include <stdlib.h>

static void add_counters(const struct part *part, struct probe_snapshot *snapshot)
{
    const struct object *object = part->loaded->object;
    for (uint32_t i = 0; i < part->probe->counter_count; i++) {
        const struct counter *counter = &object->counters[part->probe->first_counter + i];
        snapshot->counters[snapshot->counter_count++] = (struct snapshot_counter){
            .address = counter->address + part->loaded->bias,
            .loaded = part->loaded,
            .kernel_counts = counter->kernel_counts,
        };
    }
}

/* The part's counters begin at FIRST_COUNTER in the snapshot. */
static void add_sites(const struct part *part, size_t first_counter,
                      struct probe_snapshot *snapshot)
{
    const struct object *object = part->loaded->object;
    for (uint32_t i = 0; i < part->probe->site_count; i++) {
        uint32_t index = part->probe->first_site + i;
        const struct site *site = &object->sites[index];
        snapshot->sites[snapshot->site_count++] = (struct snapshot_site){
            .address = site->address + part->loaded->bias,
            .loaded = part->loaded,
            .counter = site->counter == SITE_NO_COUNTER
                           ? SNAPSHOT_NO_COUNTER
                           : first_counter + (site->counter - part->probe->first_counter),
            .index = index,
            .patched = site->patched,
        };
    }
}

static void add_probe(const struct probe_target *target, size_t index,
                      struct probe_snapshot *snapshot)
{
    const struct target_probe *probe = &target->probes[index];
    struct snapshot_probe *taken = &snapshot->probes[snapshot->probe_count++];
    taken->name = target_probe_name(target, probe);
    taken->first_counter = snapshot->counter_count;
    taken->first_site = snapshot->site_count;
    for (uint32_t i = 0; i < probe->part_count; i++) {
        const struct part *part = &target->parts[probe->first_part + i];
        size_t first_counter = snapshot->counter_count;
        add_counters(part, snapshot);
        add_sites(part, first_counter, snapshot);
    }
    taken->counter_count = snapshot->counter_count - taken->first_counter;
    taken->site_count = snapshot->site_count - taken->first_site;
}

static int allocate_snapshot(const struct probe_target *target, const size_t *indices, size_t count,
                             struct probe_snapshot *snapshot)
{
    size_t counters = 0;
    size_t sites = 0;
    for (size_t i = 0; i < count; i++) {
        const struct target_probe *probe = &target->probes[indices ? indices[i] : i];
        for (uint32_t p = 0; p < probe->part_count; p++) {
            counters += target->parts[probe->first_part + p].probe->counter_count;
            sites += target->parts[probe->first_part + p].probe->site_count;
        }
    }
    snapshot->probes = calloc(count + 1, sizeof(*snapshot->probes));
    snapshot->counters = calloc(counters + 1, sizeof(*snapshot->counters));
    snapshot->sites = calloc(sites + 1, sizeof(*snapshot->sites));
    return snapshot->probes && snapshot->counters && snapshot->sites ? 0 : -ENOMEM;
}

/* How many of the site's bytes there are: its note may name the last byte of the code. */
static size_t site_length(const struct snapshot_site *site)
{
    const struct object *object = site->loaded->object;
    uint64_t address = object->sites[site->index].address;
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        if (segment->executable && address >= segment->address &&
            address - segment->address < segment->memory_size) {
            uint64_t left = segment->memory_size - (address - segment->address);
            return left < SITE_LENGTH ? (size_t)left : SITE_LENGTH;
        }
    }
    return 1;
}

static int read_all(struct probe_target *target, struct probe_snapshot *snapshot,
                    struct probe_error *error)
{
    size_t count = snapshot->counter_count + snapshot->site_count;
    struct memory_piece *pieces = calloc(count + 1, sizeof(*pieces));
    if (!pieces)
        return error_memory(error);
    struct memory_piece *piece = pieces;
    /* In this order, as data lies behind code: what is sorted already is not sorted. */
    for (size_t i = 0; i < snapshot->site_count; i++) {
        struct snapshot_site *site = &snapshot->sites[i];
        *piece++ = (struct memory_piece){site->address, site_length(site), site->bytes};
    }
    for (size_t i = 0; i < snapshot->counter_count; i++) {
        struct snapshot_counter *counter = &snapshot->counters[i];
        *piece++ = (struct memory_piece){counter->address, sizeof(counter->value),
                                         (uint8_t *)&counter->value};
    }
    int status = memory_read(&target->image, pieces, count, error);
    free(pieces);
    /* Only this tells whose memory that was. */
    struct probe_error gone;
    int checked = target_check(target, &gone);
    if (checked < 0 && error)
        *error = gone;
    return checked < 0 ? checked : status;
}

static struct snapshot_counter *counter_of_patched(struct probe_snapshot *snapshot,
                                                   const struct snapshot_site *site)
{
    return site->patched ? &snapshot->counters[site->counter] : NULL;
}

void snapshot_find_references(struct probe_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->site_count; i++) {
        const struct snapshot_site *site = &snapshot->sites[i];
        struct snapshot_counter *counter = counter_of_patched(snapshot, site);
        if (counter && counter->kernel_counts && counter->kernel < counter->value &&
            arch_has_breakpoint(site->bytes))
            counter->kernel++;
    }
    for (size_t i = 0; i < snapshot->site_count; i++) {
        const struct snapshot_site *site = &snapshot->sites[i];
        struct snapshot_counter *counter = counter_of_patched(snapshot, site);
        if (counter && counter->kernel == counter->value &&
            site->bytes[arch_switch_offset] == arch_switch_on)
            counter->kernel = 0;
    }
}

int snapshot_init(struct probe_target *target, const size_t *indices, size_t count,
                  struct probe_snapshot *result, struct probe_error *error)
{
    struct probe_snapshot snapshot = {0};
    int status = allocate_snapshot(target, indices, count, &snapshot);
    if (status < 0) {
        error_memory(error);
    } else {
        for (size_t i = 0; i < count; i++)
            add_probe(target, indices ? indices[i] : i, &snapshot);
        status = read_all(target, &snapshot, error);
        snapshot_find_references(&snapshot);
    }
    if (status < 0)
        snapshot_done(&snapshot);
    else
        *result = snapshot;
    return status;
}

void snapshot_done(struct probe_snapshot *snapshot)
{
    free(snapshot->probes);
    free(snapshot->counters);
    free(snapshot->sites);
    *snapshot = (struct probe_snapshot){0};
}

int snapshot_compare(struct probe_target *target, struct probe_snapshot *snapshot,
                     struct probe_error *error)
{
    struct site_bytes bytes;
    int status = site_bytes_init_patched(target, snapshot, &bytes);
    if (status < 0)
        return error_memory(error);
    for (size_t i = 0; i < snapshot->site_count; i++) {
        struct snapshot_site *site = &snapshot->sites[i];
        const uint8_t *file = site->patched ? site_bytes_find(&bytes, site) : NULL;
        site->foreign = site->patched && (file ? !arch_is_site(site->bytes, file)
                                               : !arch_looks_like_site(site->bytes));
    }
    site_bytes_done(&bytes);
    return 0;
}

/* ---- what it shows ---------------------------------------------------------------------- */

int probe_snapshot_take(struct probe_target *target, const size_t *indices, size_t count,
                        struct probe_snapshot **result, struct probe_error *error)
{
    struct probe_snapshot *snapshot = malloc(sizeof(*snapshot));
    if (!snapshot)
        return error_memory(error);
    int status = snapshot_init(target, indices, count, snapshot, error);
    if (status < 0) {
        free(snapshot);
        return status;
    }
    status = snapshot_compare(target, snapshot, error);
    if (status < 0)
        probe_snapshot_free(snapshot);
    else
        *result = snapshot;
    return status;
}

void probe_snapshot_free(struct probe_snapshot *snapshot)
{
    if (!snapshot)
        return;
    snapshot_done(snapshot);
    free(snapshot);
}

static enum probe_state site_state(const struct probe_snapshot *snapshot,
                                   const struct snapshot_site *site)
{
    if (site->counter == SNAPSHOT_NO_COUNTER)
        return PROBE_WATCH_ONLY;
    if (!site->patched)
        return snapshot_counter_is_on(&snapshot->counters[site->counter]) ? PROBE_ON : PROBE_OFF;
    uint8_t byte = site->bytes[arch_switch_offset];
    if (site->foreign)
        return PROBE_MIXED;
    return byte == arch_switch_on ? PROBE_ON : byte == arch_switch_off ? PROBE_OFF : PROBE_MIXED;
}

const char *probe_snapshot_name(const struct probe_snapshot *snapshot, size_t i)
{
    return snapshot->probes[i].name;
}

enum probe_state probe_snapshot_state(const struct probe_snapshot *snapshot, size_t i)
{
    const struct snapshot_probe *probe = &snapshot->probes[i];
    bool all_on = true;
    bool all_off = true;
    if (probe->counter_count == 0)
        return PROBE_WATCH_ONLY;
    for (size_t c = 0; c < probe->counter_count; c++) {
        bool on = snapshot_counter_is_on(&snapshot->counters[probe->first_counter + c]);
        all_on = all_on && on;
        all_off = all_off && !on;
    }
    for (size_t s = 0; s < probe->site_count; s++) {
        enum probe_state state = site_state(snapshot, &snapshot->sites[probe->first_site + s]);
        if (state == PROBE_WATCH_ONLY)
            continue;
        all_on = all_on && state == PROBE_ON;
        all_off = all_off && state == PROBE_OFF;
    }
    return all_on ? PROBE_ON : all_off ? PROBE_OFF : PROBE_MIXED;
}

size_t probe_snapshot_counter_count(const struct probe_snapshot *snapshot, size_t i)
{
    return snapshot->probes[i].counter_count;
}

uint16_t probe_snapshot_counter(const struct probe_snapshot *snapshot, size_t i, size_t c)
{
    return snapshot->counters[snapshot->probes[i].first_counter + c].value;
}

size_t probe_snapshot_site_count(const struct probe_snapshot *snapshot, size_t i)
{
    return snapshot->probes[i].site_count;
}

struct probe_site probe_snapshot_site(const struct probe_snapshot *snapshot, size_t i, size_t s)
{
    const struct snapshot_site *site = &snapshot->sites[snapshot->probes[i].first_site + s];
    const struct object *object = site->loaded->object;
    return (struct probe_site){
        .address = site->address,
        .state = site_state(snapshot, site),
        .object = site->loaded->path,
        .offset = object_file_offset(object, object->sites[site->index].address),
        .arguments = object->strings + object->sites[site->index].arguments,
    };
}
