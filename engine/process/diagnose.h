/* SPDX-License-Identifier: MIT */
/* Turns an errno of the kernel's into a sentence: what is wrong, and what helps. */
#ifndef ENGINE_DIAGNOSE_H
#define ENGINE_DIAGNOSE_H

#include "engine.h"
#include "process/memory.h"

/*
 * Says why the kernel refused process PID's file NAME with ERRNUM (EACCES, EPERM); -ERRNUM. If our
 * AppArmor profile may be the reason, it is logged once, too.
 */
int diagnose_denied(struct probe_engine *engine, pid_t pid, const char *name, int errnum,
                    struct probe_error *error);

/* Logs what the kernel refuses and how it is done instead: once for each kind. */
void diagnose_refusals(struct probe_engine *engine, const struct memory_refusals *refusals);

/* The pid of the tracer of thread TID, or 0. */
pid_t diagnose_tracer(const struct probe_engine *engine, pid_t tid);

/*
 * Says why process PID could not be seized: EBUSY if TRACER (not 0) has it, else ERRNUM, with the
 * sentence of diagnose_denied() for EPERM and EACCES.
 */
int diagnose_traced(struct probe_engine *engine, pid_t pid, pid_t tracer, int errnum,
                    struct probe_error *error);

#endif
