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

struct pass {
    struct probe_target *target;
    const struct loaded *loaded;
    const uint8_t (*text)[SITE_LENGTH]; /* NULL: the file cannot be read */
    uint8_t *window;
    bool on, off; /* all seen so far are */
    bool counted; /* the kernel may count in counters of patched sites */
};

/* Reads the window of the places from FIRST to END, each LENGTH bytes long. */
static int read_window(struct pass *pass, const struct places *places, size_t first, size_t end,
                       size_t length)
{
    uint64_t start = places->items[first].offset;
    uint64_t last = places->items[end - 1].offset;
    return memory_read_span(&pass->target->image, places->start + start + pass->loaded->bias,
                            (size_t)(last - start) + length, pass->window);
}

/* Looks at the counters from FIRST to END, which are in the window. */
static void note_counters(struct pass *pass, const struct places *places, size_t first, size_t end)
{
    const struct place *items = places->items;
    bool any = false;
    bool all = true;
    for (size_t i = first; i < end; i++) {
        uint16_t value = 0;
        memcpy(&value, pass->window + (items[i].offset - items[first].offset), sizeof(value));
        any |= value > 0;
        all &= value > 0;
    }
    pass->on = pass->on && all;
    pass->off = pass->off && !any;
}

static void note_sites(struct pass *pass, const struct places *places, size_t first, size_t end)
{
    unsigned int states =
        arch_site_states(pass->window, pass->text, places->items + first, end - first);
    pass->on = pass->on && states == 1U << PROBE_ON;
    pass->off = pass->off && states == 1U << PROBE_OFF;
}

typedef void note_window(struct pass *pass, const struct places *places, size_t first, size_t end);

static int pass_places(struct pass *pass, const struct places *places, size_t length,
                       note_window *note)
{
    size_t first = 0;
    for (size_t i = 0; i < places->window_count && (pass->on || pass->off); i++) {
        int status = read_window(pass, places, first, places->ends[i], length);
        if (status < 0)
            return status;
        note(pass, places, first, places->ends[i]);
        first = places->ends[i];
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
    status = pass_places(pass, counters, COUNTER_LENGTH, note_counters);
    return status < 0 ? status : pass_places(pass, sites, SITE_LENGTH, note_sites);
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
    struct pass pass = {.target = target, .window = malloc(PLACES_WINDOW), .on = true, .off = true};
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
