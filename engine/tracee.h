/* SPDX-License-Identifier: MIT */
/* Stopping all threads of a process for one short action, and letting all of them go. */
#ifndef ENGINE_TRACEE_H
#define ENGINE_TRACEE_H

#include "engine.h"

/*
 * Calls ACT once, while every thread of PID is stopped or cannot run user code before it stops.
 * TID, in a call of ACT, is a stopped thread of it that ptrace serves; ACT runs in a thread of its
 * own, which is the tracer. Returns what ACT returns. Errors: EBUSY another tracer has it;
 * ETIMEDOUT its threads did not stop within a second; ESRCH it has ended; EACCES, EPERM; ENOMEM,
 * EAGAIN.
 */
int tracee_stopped(const struct probe_engine *engine, pid_t pid, int (*act)(void *data, pid_t tid),
                   void *data, struct probe_error *error);

#endif
