/* SPDX-License-Identifier: MIT */
#include "target/snapshot.h"

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
    for (size_t i = 1; i < count; i++) {
        if (states[i] != states[0])
            return PROBE_MIXED;
    }
    return count > 0 ? states[0] : PROBE_OFF;
}
