/* SPDX-License-Identifier: MIT */
/* Inside the engine: a process that has been started and is stopped, by its tracer. */
#ifndef ENGINE_PAUSED_H
#define ENGINE_PAUSED_H

#include "target/target.h"

struct probe_paused {
    struct probe_engine *engine;
    pid_t pid;
    bool stopped; /* else it has ended */
    struct probe_target *target;
};

/*
 * Lets PID, which is seized with `at_exec`, run until it stops behind its next exec: 0, or -ESRCH
 * where it ended.
 */
int paused_wait_for_exec(pid_t pid);

/*
 * From a process that stopped behind its exec; it is let go by probe_paused_release(), also on
 * failure. Errors: those of probe_target_open().
 */
int paused_init(struct probe_paused *paused, struct probe_engine *engine, pid_t pid,
                struct probe_error *error);

/*
 * Makes the next that the process does its end, with STATUS: nothing of what it would run is run.
 * Errors: ESRCH.
 */
int paused_end(struct probe_paused *paused, int status);

/* Lets go of it; PAUSED is the caller's. */
void paused_done(struct probe_paused *paused);

#endif
