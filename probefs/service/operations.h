/* SPDX-License-Identifier: MIT */
/* The operations, written once: one row for each. Rows drive both ends of a channel. */
#ifndef PROBEFS_OPERATIONS_H
#define PROBEFS_OPERATIONS_H

#include "service/protocol.h"

struct service;

struct operation_row {
    const char *name;
    bool repeatable; /* twice is as good as once: where a worker ends, another may be asked */
    /* How much the reply's payload may be at most; NULL: it has none. */
    uint64_t (*reply_max)(const struct call *call);
    /* Fills in the reply and its payload. Returns 0 or a negative errno value. */
    int (*answer)(struct service *service, struct call *call);
    bool lends; /* descriptors come with the reply */
};

extern const struct operation_row operation_rows[OPERATION_COUNT];

/* The same, for any operation: a worker that sends more has been taken over by its user. */
uint64_t operation_reply_max(const struct call *call);

#endif
