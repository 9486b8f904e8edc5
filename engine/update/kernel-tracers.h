/* SPDX-License-Identifier: MIT */
/* The kernel's own references (perf, bpftrace, SystemTap) in counters that an update would forget.
 */
#ifndef ENGINE_KERNEL_TRACERS_H
#define ENGINE_KERNEL_TRACERS_H

#include "update/update.h"

/*
 * Does UPDATE, whose probes SNAPSHOT shows, set a counter in which a kernel tracer counts for a
 * probe that shares it? (That of the update's own probes is seen when it is planned.) Errors:
 * EBUSY; those of reading.
 */
int kernel_tracers_check(struct probe_update *update, const struct probe_snapshot *snapshot,
                         struct probe_error *error);

#endif
