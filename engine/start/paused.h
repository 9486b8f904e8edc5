/* SPDX-License-Identifier: MIT */
/* Inside the engine: a process that was just started, and is held by its tracer: this thread. */
#ifndef ENGINE_PAUSED_H
#define ENGINE_PAUSED_H

#include "start/program.h"
#include "target/target.h"

struct probe_paused {
    struct probe_engine *engine;
    pid_t pid;
    bool stopped; /* false: it has ended */
    struct probe_target *target;
};

/*
 * Lets PID, which was seized with `at_exec`, run until it stops right after its next exec. Returns
 * 0, or -ESRCH if it ended before.
 */
int paused_wait_for_exec(pid_t pid);

/*
 * Takes over a process that stopped right after its exec. It stays held, also on failure, until
 * paused_done() or probe_paused_release(). Errors: those of probe_target_open().
 */
int paused_init(struct probe_paused *paused, struct probe_engine *engine, pid_t pid,
                struct probe_error *error);

/*
 * Did the kernel execute the very files that PROGRAM was read from, its loader included? Asked
 * while the process is held after its exec, so before anything of another file runs. Errors: ESTALE
 * it did not; ESRCH; those of reading /proc.
 */
int paused_check_program(struct probe_paused *paused, const struct probe_program *program,
                         struct probe_error *error);

/*
 * The entry point, if probe_paused_run_to_entry() has yet to run there; 0 if it has, or has nothing
 * to do.
 */
uint64_t paused_entry(const struct probe_paused *paused);

/*
 * Makes the process exit with STATUS as the next thing it does: none of its own code runs. Errors:
 * ESRCH.
 */
int paused_end(struct probe_paused *paused, int status);

/* Lets go of the process. Frees what is in PAUSED, but not PAUSED. */
void paused_done(struct probe_paused *paused);

#endif
