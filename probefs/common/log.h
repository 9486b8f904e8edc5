/* SPDX-License-Identifier: MIT */
/* The server's log: stderr in the foreground, syslog in the background. One sentence a line. */
#ifndef PROBEFS_LOG_H
#define PROBEFS_LOG_H

#include <probe-engine.h>

/* Messages above LEVEL are dropped. NAME tells the server's lines from a worker's. */
void log_open(const char *name, enum probe_log_level level, bool to_syslog);

void log_message(enum probe_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Is LEVEL logged? */
bool log_is_told(enum probe_log_level level);

/* A log hook for the engine. */
void log_from_engine(void *data, enum probe_log_level level, const char *sentence);

/* "error", "warning", "info" or "debug" to a level; returns false for anything else. */
bool log_level_parse(const char *text, enum probe_log_level *level);

/* And back. */
const char *log_level_name(enum probe_log_level level);

#endif
