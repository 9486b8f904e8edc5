/* SPDX-License-Identifier: MIT */
/* Which processes a caller finds in the tree's root. */
#ifndef PROBEFS_LISTING_H
#define PROBEFS_LISTING_H

#include "server/router.h"

/* One process with probes. */
struct listed_process {
    pid_t pid;
    struct probe_image_id id;
};

/*
 * All processes with probes that CALLER may look into, sorted, to be freed. Users whose worker
 * does not answer are left out. Errors: ENOMEM; what reading /proc gives.
 */
int listing_read(struct router *router, const struct caller *caller,
                 struct listed_process **processes, size_t *count);

#endif
