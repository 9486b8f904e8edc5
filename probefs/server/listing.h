/* SPDX-License-Identifier: MIT */
/* Which processes a caller finds in the tree's root. */
#ifndef PROBEFS_LISTING_H
#define PROBEFS_LISTING_H

#include "server/server.h"

/* One process with probes; or perhaps, where nobody has said so in time. */
struct listed_process {
    pid_t pid;
    bool identified;
    struct probe_image_id id;
};

/*
 * All processes with probes that CALLER may look into, sorted, to be freed. It takes a second at
 * most, however many do not answer: these are listed, too, and the log says so. Errors: ENOMEM;
 * what reading /proc gives.
 */
int listing_read(struct server *server, const struct caller *caller,
                 struct listed_process **processes, size_t *count);

#endif
