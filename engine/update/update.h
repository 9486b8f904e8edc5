/* SPDX-License-Identifier: MIT */
/* Inside the engine: what an update gathers before it is applied. */
#ifndef ENGINE_UPDATE_H
#define ENGINE_UPDATE_H

#include "update/plan.h"

struct probe_update {
    struct probe_target *target;
    uint64_t generation; /* of the target, for which the indices are */
    size_t *indices;     /* of the probes, in the order added */
    struct plan_change *changes;
    size_t count, room;
    uint32_t *added; /* for each probe of the target: its place in the above + 1 */
    /* Where the target cannot be stopped, it is better changed while it runs than not at all. */
    bool stop_is_optional;
};

/* Adds CHANGE (but for its `probe`) of the probe INDEX; errors as probe_update_add(). */
int update_add(struct probe_update *update, size_t index, const struct plan_change *change,
               struct probe_error *error);

/* Both were added: makes probe FIRST come before probe SECOND, by trading places if need be. */
void update_order(struct probe_update *update, size_t first, size_t second);

#endif
