/* SPDX-License-Identifier: MIT */
/* Stops all threads of a process for one short action, and lets them go. */
#ifndef ENGINE_TRACEE_H
#define ENGINE_TRACEE_H

#include "engine.h"

#include <time.h>

struct tracee_stop;

/*
 * Stops every thread of PID until tracee_end(); a new thread of ours is the tracer. A thread that
 * waits for the client (`waits` in the engine's options) counts as stopped. Errors: EBUSY another
 * tracer has the process; ETIMEDOUT threads did not stop before DEADLINE; ESRCH it has ended;
 * EACCES, EPERM; ENOMEM, EAGAIN.
 */
int tracee_begin(struct probe_engine *engine, pid_t pid, const struct timespec *deadline,
                 struct tracee_stop **stop, struct probe_error *error);

/* What to do with a process while it is stopped. Both functions return 0 or an error. */
struct tracee_task {
    /* Called before the stop, in the same thread: it warms caches and reads files. */
    int (*prepare)(void *data);
    int (*act)(void *data, pid_t tid); /* as for tracee_act() */
    void *data;
};

/*
 * Stops every thread, does TASK, and lets them go at once: all in the tracing thread, so the
 * process never waits for a wake-up of ours. Returns what TASK returned, or an error as above.
 */
int tracee_run(struct probe_engine *engine, pid_t pid, const struct timespec *deadline,
               const struct tracee_task *task, struct probe_error *error);

/*
 * Calls ACT in the tracing thread and returns what it returns. TID is a thread of the process that
 * ptrace can use, or 0 if there is none, as all of them wait for the client.
 */
int tracee_act(struct tracee_stop *stop, int (*act)(void *data, pid_t tid), void *data);

/* Lets all threads go, and hands back the signals they were about to take. NULL is fine. */
void tracee_end(struct tracee_stop *stop);

#endif
