/* SPDX-License-Identifier: MIT */
/* An update inside the engine: the changes that are gathered before it is applied. */
#ifndef ENGINE_UPDATE_H
#define ENGINE_UPDATE_H

#include "update/plan.h"

struct probe_update {
    struct probe_target *target;
    uint64_t generation; /* of the target: the indices are valid for it alone */
    size_t *indices;     /* of the probes, in the order added */
    struct plan_change *changes;
    size_t count, room;
    uint32_t *added; /* for each probe of the target: its place in the above + 1, or 0 */
    /* If the target cannot be stopped, change it while it runs rather than not at all. */
    bool stop_is_optional;
};

/* Adds CHANGE of probe INDEX, setting its `probe`. Errors: as probe_update_add(). */
int update_add(struct probe_update *update, size_t index, const struct plan_change *change,
               struct probe_error *error);

/* Makes probe FIRST come before probe SECOND, by swapping them if need be. Both were added. */
void update_order(struct probe_update *update, size_t first, size_t second);

#endif
