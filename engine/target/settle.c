/* SPDX-License-Identifier: MIT */
/*
 * The one loop around whatever uses the probes of a target while objects come and go. Whoever finds
 * a probe and then uses its index may meet another set of objects in between, and fails with EAGAIN
 * or, as other memory is at the old addresses by then, with anything else.
 */
#include "process/deadline.h"
#include "target/target.h"

#include <errno.h>

enum { ATTEMPTS_MAX = 50 };

int probe_target_settle(struct probe_target *target, probe_attempt *attempt, void *data,
                        struct probe_error *error)
{
    const struct timespec deadline = clock_after(DEADLINE_OF_UPDATE);
    int status = -EAGAIN;
    for (int i = 0; i < ATTEMPTS_MAX && (i == 0 || !clock_is_past(&deadline)); i++) {
        uint64_t generation = target->generation;
        status = attempt(data, error);
        if (status >= 0)
            break;
        /* What failed may have been the last look, and not the attempt. */
        struct probe_error reason;
        int looked = probe_target_look(target, &reason);
        if (looked < 0 && error)
            *error = reason;
        if (looked < 0)
            return looked;
        if (target->generation == generation)
            break;
    }
    return status;
}
