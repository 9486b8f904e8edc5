/* SPDX-License-Identifier: MIT */
/*
 * The trace of a program that was started, printed by its helper:
 *
 *     at its exec          the probes of its executable are watched, before its first instruction
 *     at its entry point   those of its libraries, too
 *     then                 what fires is printed, until the process ends or calls exec
 */
#ifndef ENGINE_START_TRACE_H
#define ENGINE_START_TRACE_H

#include "start/switching.h"

struct trace {
    int fd; /* where it goes; the client's */
    struct probe_watch *watch;
    struct probe_target *target; /* to look for what is loaded later */
};

/*
 * Watches what SWITCHING switches on among the probes that TARGET has now, and what it would, had
 * it a semaphore. Not those with a site at ENTRY, where a tracer is going to stop the process (0:
 * it is not): the kernel would take its breakpoint for their own. Errors: those of
 * probe_target_look() and of a watch.
 */
int trace_add(struct trace *trace, struct switching *switching, struct probe_target *target,
              uint64_t entry, struct probe_error *error);

/*
 * Takes over TARGET, whose process is going to run by itself. If nothing is watched yet, something
 * may be loaded later. Errors: those of a watch; TARGET stays the caller's then.
 */
int trace_keep(struct trace *trace, struct probe_target *target, struct probe_error *error);

/*
 * Prints until the process ends or calls exec, or nobody reads any more; then frees the watch, and
 * the target. What is loaded meanwhile joins within a second.
 */
void trace_print(struct trace *trace, struct switching *switching, struct probe_engine *engine);

#endif
