/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log that a user can cause at will: one a minute for each user and reason. The next
 * one says how many were left out.
 */
#ifndef PROBEFS_LOG_LIMIT_H
#define PROBEFS_LOG_LIMIT_H

#include "common/log.h"

#include <sys/types.h>

/* REASON is a few words that tell this kind of line from others; it has to last for ever. */
void log_limited(uid_t user, const char *reason, enum probe_log_level level, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

#endif
