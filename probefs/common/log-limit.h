/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log that a user can cause at will: so many a minute for each user and reason. The
 * next one says how many were left out.
 */
#ifndef PROBEFS_LOG_LIMIT_H
#define PROBEFS_LOG_LIMIT_H

#include "common/log.h"

#include <sys/types.h>

/* What a warning is about, and how many of it are enough for a minute. */
struct log_reason {
    unsigned int most;
};

/* REASON tells this kind of line from others by its address. */
void log_limited(uid_t user, const struct log_reason *reason, enum probe_log_level level,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
