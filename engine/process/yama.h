/* SPDX-License-Identifier: MIT */
/*
 * Yama, a security module that restricts who may trace whom (ptrace_scope). It also decides who may
 * open mem, but not who may see maps. Each attempt that it refuses leaves a line in the kernel's
 * log: so it is asked what it would say first.
 */
#ifndef ENGINE_YAMA_H
#define ENGINE_YAMA_H

#include "engine.h"

enum {
    YAMA_OFF = 0,
    YAMA_BY_CONSENT = 1, /* ancestors, whom the process has named, and CAP_SYS_PTRACE */
    YAMA_PRIVILEGED = 2, /* CAP_SYS_PTRACE alone */
    YAMA_NOBODY = 3,     /* until the machine is booted again */
};

/* One of these; YAMA_OFF also on a kernel without Yama. */
int yama_scope(const struct probe_engine *engine);

enum yama_verdict { YAMA_ALLOWS, YAMA_MAY_ALLOW, YAMA_REFUSES };

/* What it would say if the calling thread traced PID now. */
enum yama_verdict yama_ask(const struct probe_engine *engine, pid_t pid);

#endif
