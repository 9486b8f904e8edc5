/* SPDX-License-Identifier: MIT */
/*
 * The probes that we count. That ends with us, even if we are killed: a guard, another process,
 * then ends it. What others count is left alone.
 */
#ifndef PROBE_TOP_COUNTING_H
#define PROBE_TOP_COUNTING_H

#include "rows.h"

struct counting {
    const char *tree;
    struct rows ours; /* pid and name are all that matters */
    pid_t guard;      /* 0: none */
    int lifeline;     /* a pipe: the guard reads its end when we have ended */
};

bool counting_is_ours(const struct counting *counting, const struct row *row);

/* Both return 0 or -errno. */
int counting_begin(struct counting *counting, const struct row *row);
int counting_end(struct counting *counting, const struct row *row);

/* Ends all that we count. */
void counting_done(struct counting *counting);

#endif
