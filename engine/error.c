/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int error_set(struct probe_error *error, int errnum, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
        error->reason = PROBE_REASON_NONE;
    }
    return -errnum;
}

int error_memory(struct probe_error *error)
{
    return error_set(error, ENOMEM, "out of memory");
}

int error_gone(struct probe_error *error, pid_t pid)
{
    return error_set(error, ESRCH, "process %d has ended or replaced its program", pid);
}

int error_because(struct probe_error *error, enum probe_reason reason, int status)
{
    if (error)
        error->reason = reason;
    return status;
}
