/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int probe_engine_new(const struct probe_engine_options *options, struct probe_engine **result)
{
    struct probe_engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    engine->yama = -1;
    if (options)
        engine->options = *options;
    const char *proc = engine->options.proc ? engine->options.proc : "/proc";
    engine->proc = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int status = engine->proc < 0
                     ? -errno
                     : object_cache_new(engine->options.reserved_names, &engine->cache);
    if (status < 0) {
        probe_engine_free(engine);
        return status;
    }
    /* Asked so often that it stays open. */
    engine->yama = openat(engine->proc, "sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
    *result = engine;
    return 0;
}

void probe_engine_free(struct probe_engine *engine)
{
    if (!engine)
        return;
    object_cache_free(engine->cache);
    if (engine->proc >= 0)
        close(engine->proc);
    if (engine->yama >= 0)
        close(engine->yama);
    free(engine);
}

void engine_log(const struct probe_engine *engine, enum probe_log_level level, const char *format,
                ...)
{
    if (!engine->options.log || (level == PROBE_LOG_DEBUG && !engine->options.verbose))
        return;
    struct probe_error sentence;
    va_list args;
    va_start(args, format);
    vsnprintf(sentence.text, sizeof(sentence.text), format, args);
    va_end(args);
    engine->options.log(engine->options.log_data, level, sentence.text);
}
