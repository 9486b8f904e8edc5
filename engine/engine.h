/* SPDX-License-Identifier: MIT */
/* What all targets of an engine share. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "error.h"
#include "object/object-cache.h"

#include <stdatomic.h>

struct probe_engine {
    struct probe_engine_options options;
    int proc; /* the directory where procfs is mounted */
    int yama; /* its file that says how Yama restricts ptrace; -1 where there is no Yama */
    struct object_cache *cache;
    /* What is logged once: see diagnose.c. */
    atomic_bool told_of_code, told_of_mem, told_of_profile;
    atomic_int watch_way; /* an enum watch_way, once it is known */
};

/* Hands a sentence to the client's log hook. */
void engine_log(const struct probe_engine *engine, enum probe_log_level level, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

#endif
