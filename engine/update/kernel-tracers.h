/* SPDX-License-Identifier: MIT */
/* References of kernel tracers (perf, bpftrace, SystemTap) in counters that an update would set. */
#ifndef ENGINE_KERNEL_TRACERS_H
#define ENGINE_KERNEL_TRACERS_H

#include "update/update.h"

/*
 * Does UPDATE, whose probes are in SNAPSHOT, set a counter that it shares with another probe, and
 * that a kernel tracer counts in for that one? (plan_make() checks the update's own probes.)
 * Errors: EBUSY; those of reading.
 */
int kernel_tracers_check(struct probe_update *update, const struct probe_snapshot *snapshot,
                         struct probe_error *error);

#endif
