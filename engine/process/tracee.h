/* SPDX-License-Identifier: MIT */
/* Stopping all threads of a process for one short action, and letting all of them go. */
#ifndef ENGINE_TRACEE_H
#define ENGINE_TRACEE_H

#include "engine.h"

#include <time.h>

struct tracee_stop;

/*
 * Stops every thread of PID, until tracee_end(); a thread of our own is the tracer. A thread of it
 * that cannot be stopped, but cannot run user code before it stops either, counts as stopped.
 * Errors: EBUSY another tracer has it; ETIMEDOUT its threads did not stop until DEADLINE
 * (CLOCK_MONOTONIC); ESRCH it has ended; EACCES, EPERM; ENOMEM, EAGAIN.
 */
int tracee_begin(const struct probe_engine *engine, pid_t pid, const struct timespec *deadline,
                 struct tracee_stop **stop, struct probe_error *error);

/* What is to be done with a process that is stopped for just that. Both return 0 or an error. */
struct tracee_task {
    /* Called before, in the same thread: what it used is near at hand then. */
    int (*prepare)(void *data);
    int (*act)(void *data, pid_t tid); /* see tracee_act() */
    void *data;
};

/*
 * Stops every thread, does TASK, and lets them go: no longer than that takes, as nothing passes
 * between threads meanwhile. Returns what TASK returned, or an error as above.
 */
int tracee_run(const struct probe_engine *engine, pid_t pid, const struct timespec *deadline,
               const struct tracee_task *task, struct probe_error *error);

/*
 * Calls ACT in the thread that is the tracer, with a thread of the process that ptrace serves, or 0
 * where none has stopped by itself, as all wait for the client; returns what ACT returns.
 */
int tracee_act(struct tracee_stop *stop, int (*act)(void *data, pid_t tid), void *data);

/* Lets all threads go, with the signals that they were about to take. NULL is fine. */
void tracee_end(struct tracee_stop *stop);

#endif
