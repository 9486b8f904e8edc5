/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include "common/log-limit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static const struct {
    const char *name;
    int priority;
} levels[] = {
    [PROBE_LOG_ERROR] = {"error", LOG_ERR},
    [PROBE_LOG_WARNING] = {"warning", LOG_WARNING},
    [PROBE_LOG_INFO] = {"info", LOG_INFO},
    [PROBE_LOG_DEBUG] = {"debug", LOG_DEBUG},
};

/* Set once by log_open(), before there are threads. */
static struct {
    const char *name;
    enum probe_log_level level;
    bool to_syslog;
} state = {"probefs", PROBE_LOG_WARNING, false};

void log_open(const char *name, enum probe_log_level level, bool to_syslog)
{
    state.name = name;
    state.level = level;
    state.to_syslog = to_syslog;
    if (to_syslog)
        openlog(name, LOG_PID, LOG_DAEMON);
}

bool log_is_told(enum probe_log_level level)
{
    return level <= state.level;
}

void log_message(enum probe_log_level level, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (!log_is_told(level))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (state.to_syslog)
        syslog(levels[level].priority, "%s", text);
    else
        fprintf(stderr, "%s: %s: %s\n", state.name, levels[level].name, text);
}

void log_from_engine(void *data, enum probe_log_level level, const char *sentence)
{
    static const struct log_reason engine = {.most = 100};
    (void)data;
    log_limited(getuid(), &engine, level, "%s", sentence);
}

bool log_level_parse(const char *text, enum probe_log_level *level)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *level = (enum probe_log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum probe_log_level level)
{
    return levels[level].name;
}
