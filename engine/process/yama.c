/* SPDX-License-Identifier: MIT */
#include "process/yama.h"

#include "process/privilege.h"

#include <stdlib.h>
#include <unistd.h>

int yama_scope(const struct probe_engine *engine)
{
    char text[16] = "";
    ssize_t got = engine->yama < 0 ? -1 : pread(engine->yama, text, sizeof(text) - 1, 0);
    return got > 0 ? (int)strtol(text, NULL, 10) : YAMA_OFF;
}

enum yama_verdict yama_ask(const struct probe_engine *engine, pid_t pid)
{
    int scope = yama_scope(engine);
    if (scope == YAMA_OFF || pid == getpid())
        return YAMA_ALLOWS;
    if (scope >= YAMA_NOBODY)
        return YAMA_REFUSES;
    if (privilege_is_in_effect(CAP_SYS_PTRACE))
        return YAMA_ALLOWS;
    return scope == YAMA_BY_CONSENT ? YAMA_MAY_ALLOW : YAMA_REFUSES;
}
