/* SPDX-License-Identifier: MIT */
/* Errors inside the engine: a negative errno value, and a sentence for people. */
#ifndef ENGINE_ERROR_H
#define ENGINE_ERROR_H

#include "probe-engine.h"

/*
 * Writes the sentence into ERROR (NULL is fine) and returns -ERRNUM, so that failing is one
 * statement: return error_set(error, EINVAL, "...").
 */
int error_set(struct probe_error *error, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for running out of memory. */
int error_memory(struct probe_error *error);

/* The same for process PID, whose image has ended or was replaced: -ESRCH. */
int error_gone(struct probe_error *error, pid_t pid);

/* Adds the reason to a failure whose sentence was set, and returns its STATUS. */
int error_because(struct probe_error *error, enum probe_reason reason, int status);

#endif
