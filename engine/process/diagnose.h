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

/* The pid of whoever traces thread TID, or 0. */
pid_t diagnose_tracer(const struct probe_engine *engine, pid_t tid);

/*
 * Says why process PID could not be seized, ERRNUM being EPERM, EACCES or another: -EBUSY where
 * TRACER (not 0) has it, else as diagnose_denied().
 */
int diagnose_traced(const struct probe_engine *engine, pid_t pid, pid_t tracer, int errnum,
                    struct probe_error *error);

#endif
