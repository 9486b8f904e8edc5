/* SPDX-License-Identifier: MIT */
/* From an errno to what is wrong and what helps. */
#ifndef ENGINE_DIAGNOSE_H
#define ENGINE_DIAGNOSE_H

#include "engine.h"

/*
 * Says why the kernel refused ERRNUM (EACCES or EPERM) for process PID's file NAME; returns
 * -ERRNUM.
 */
int diagnose_denied(const struct probe_engine *engine, pid_t pid, const char *name, int errnum,
                    struct probe_error *error);

/*
 * Says why thread TID of process PID could not be seized, ERRNUM being EPERM, EACCES or another:
 * -EBUSY where another tracer has it, else as diagnose_denied().
 */
int diagnose_traced(const struct probe_engine *engine, pid_t pid, pid_t tid, int errnum,
                    struct probe_error *error);

#endif
