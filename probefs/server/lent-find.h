/* SPDX-License-Identifier: MIT */
/*
 * FINDs of processes that their user's own authority does not reach: an image has to be opened for
 * each, and lent. Each may take a second; so threads make them, and whoever needs the answers waits
 * for as long as it may. An answer that comes later is for nobody: it is asked for again.
 */
#ifndef PROBEFS_LENT_FIND_H
#define PROBEFS_LENT_FIND_H

#include "server/router.h"

struct lent_find {
    pid_t pid;
    bool listed; /* only what has probes; see the request */
    struct route route;
    int status; /* EINPROGRESS: not answered */
    struct probe_image_id id;
};

/* Makes COUNT of them, and fills in what is answered by END. Errors: ENOMEM, then none is made. */
int lent_finds_make(struct router *router, struct lent_find *finds, size_t count,
                    const struct timespec *end);

/*
 * At the end of the server: waits until no thread uses the router any more. Returns false where one
 * still does after longer than any call takes: then the router may not be freed.
 */
bool lent_finds_end(void);

#endif
