/* SPDX-License-Identifier: MIT */
/* What of a target's probes is not shown, and why: sentences, each once, in the order found. */
#ifndef ENGINE_PROBLEMS_H
#define ENGINE_PROBLEMS_H

#include "probe-engine.h"

struct problem {
    char *sentence;
    enum probe_reason reason;
    bool minor; /* of interest only where the target has no probe */
};

struct problems {
    struct problem *items;
    size_t count, room;
};

/*
 * Adds a copy of PROBLEM. Without memory it is lost; the last of too many says that there is more.
 */
void problems_add(struct problems *problems, const struct problem *problem);
/* The I-th problem, without the minor ones unless MINOR says so; NULL past the last. */
const struct problem *problems_get(const struct problems *problems, size_t i, bool minor);
void problems_done(struct problems *problems);

#endif
