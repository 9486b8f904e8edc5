/* SPDX-License-Identifier: MIT */
/*
 * The states of some probes, by a snapshot of them; and one state for all, which needs no snapshot:
 * one pass over the target's memory in the order of addresses, a window at a time. Which probe a
 * counter or a site belongs to makes no difference there: all are on, or all are off, or the first
 * that differs makes the answer PROBE_MIXED.
 */
#include "arch/arch.h"
#include "process/memory.h"
#include "target/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int probe_target_states(struct probe_target *target, const size_t *indices, size_t count,
                        enum probe_state *states, struct probe_error *error)
{
    struct probe_snapshot snapshot;
    int status = snapshot_init(target, indices, count, &snapshot, error);
    if (status < 0)
        return status;
    status = snapshot_compare(target, &snapshot, error);
    for (size_t i = 0; i < count && status == 0; i++)
        states[i] = probe_snapshot_state(&snapshot, i);
    snapshot_done(&snapshot);
    return status;
}

enum probe_state probe_state_join(const enum probe_state *states, size_t count)
{
    enum probe_state joined = PROBE_WATCH_ONLY;
    for (size_t i = 0; i < count; i++) {
        if (states[i] == PROBE_WATCH_ONLY)
            continue;
        if (joined != PROBE_WATCH_ONLY && states[i] != joined)
            return PROBE_MIXED;
        joined = states[i];
    }
    return joined == PROBE_WATCH_ONLY ? PROBE_OFF : joined;
}

/* ---- one for all --------------------------------------------------------------------- */

/* A window fits into a processor's cache, and ends before a gap of more than a page. */
enum { WINDOW = 128 << 10, GAP = 4096 };

struct pass {
    struct probe_target *target;
    const struct loaded *loaded;
    const uint8_t (*text)[SITE_LENGTH]; /* NULL: the file cannot be read */
    uint8_t *window;
    bool on, off; /* all seen so far are */
    bool counted; /* the kernel may count in counters of patched sites */
};

/*
 * Reads the window that begins with place FIRST, of places LENGTH bytes long; NEXT becomes the
 * first place behind it.
 */
static int read_window(struct pass *pass, const struct places *places, size_t first, size_t length,
                       size_t *next)
{
    uint64_t start = places->items[first].offset;
    uint64_t end = start + length;
    size_t i = first + 1;
    for (; i < places->count; i++) {
        uint64_t offset = places->items[i].offset;
        if (offset > end + GAP || offset + length - start > WINDOW)
            break;
        end = offset + length;
    }
    *next = i;
    return memory_read_span(&pass->target->image, places->start + start + pass->loaded->bias,
                            (size_t)(end - start), pass->window);
}

static int pass_counters(struct pass *pass, const struct places *places)
{
    size_t next = 0;
    for (size_t i = 0; i < places->count && (pass->on || pass->off);) {
        uint32_t start = places->items[i].offset;
        int status = read_window(pass, places, i, sizeof(uint16_t), &next);
        if (status < 0)
            return status;
        bool any = false;
        bool all = true;
        for (; i < next; i++) {
            uint16_t value = 0;
            memcpy(&value, pass->window + (places->items[i].offset - start), sizeof(value));
            any |= value > 0;
            all &= value > 0;
        }
        pass->on = pass->on && all;
        pass->off = pass->off && !any;
    }
    return 0;
}

static int pass_sites(struct pass *pass, const struct places *places)
{
    size_t next = 0;
    for (size_t i = 0; i < places->count && (pass->on || pass->off);) {
        uint32_t start = places->items[i].offset;
        int status = read_window(pass, places, i, SITE_LENGTH, &next);
        if (status < 0)
            return status;
        unsigned int found = 0;
        for (; i < next; i++) {
            const struct place *place = &places->items[i];
            found |= 1U << arch_site_state(pass->window + (place->offset - start),
                                           pass->text ? pass->text[place->index] : NULL);
        }
        pass->on = pass->on && found == 1U << PROBE_ON;
        pass->off = pass->off && found == 1U << PROBE_OFF;
    }
    return 0;
}

static int pass_object(struct pass *pass, const struct loaded *loaded)
{
    const struct places *sites = NULL;
    const struct places *counters = NULL;
    int status = object_places(loaded->object, &sites, &counters);
    if (status < 0)
        return status;
    pass->loaded = loaded;
    pass->text = NULL;
    for (size_t i = 0; i < loaded->object->counter_count && sites->count > 0; i++)
        pass->counted |= loaded->object->counters[i].kernel_counts;
    if (sites->count > 0)
        (void)target_site_bytes(pass->target, loaded, &pass->text, NULL);
    status = pass_counters(pass, counters);
    return status < 0 ? status : pass_sites(pass, sites);
}

/*
 * The fallback when a window cannot be read, say because a page is missing in a gap; or when it
 * matters which sites a counter belongs to (snapshot_find_references()).
 */
static int join_states(struct probe_target *target, enum probe_state *state,
                       struct probe_error *error)
{
    enum probe_state *states = calloc(target->probe_count + 1, sizeof(*states));
    if (!states)
        return error_memory(error);
    int status = probe_target_states(target, NULL, target->probe_count, states, error);
    if (status == 0)
        *state = probe_state_join(states, target->probe_count);
    free(states);
    return status;
}

int probe_target_state(struct probe_target *target, enum probe_state *state,
                       struct probe_error *error)
{
    struct pass pass = {.target = target, .window = malloc(WINDOW), .on = true, .off = true};
    int status = pass.window ? 0 : -ENOMEM;
    if (target->image.mem < 0)
        status = -EACCES; /* the fallback will say so */
    for (size_t i = 0; i < target->loaded.count && status == 0; i++)
        status = pass_object(&pass, &target->loaded.items[i]);
    free(pass.window);
    if (status < 0 || (pass.counted && !pass.on && !pass.off))
        return join_states(target, state, error);
    status = image_check(target->engine, &target->image, error);
    if (status < 0)
        return status;
    *state = target->probe_count == 0 || pass.off ? PROBE_OFF : pass.on ? PROBE_ON : PROBE_MIXED;
    return 0;
}
