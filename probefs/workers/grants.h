/* SPDX-License-Identifier: MIT */
/*
 * Grants, as the server gives them: each lets one worker have probes of one process attached to.
 * The attacher, which honours them, is started when something is to be watched first, and again if
 * it has died.
 */
#ifndef PROBEFS_GRANTS_H
#define PROBEFS_GRANTS_H

#include "workers/attacher.h"
#include "workers/pool.h"

struct grants;

/* Errors: ENOMEM. */
int grants_new(const struct workers_options *options, struct grants **grants);
/* Ends the attacher; what is attached is not its to end. */
void grants_free(struct grants *grants);

/*
 * How this kernel watches, and whether it does: starts the attacher if need be, and waits for its
 * first word for WAIT nanoseconds at most. Errors, with a sentence: EOPNOTSUPP; ETIMEDOUT; EAGAIN,
 * ENOMEM, EMFILE, ENFILE it cannot be started.
 */
int grants_find_way(struct grants *grants, int64_t wait, enum probe_watch_way *way,
                    struct probe_error *error);

/* What a grant is, for the server. */
struct grant {
    int watcher;  /* for the worker */
    int lifetime; /* what is attached ends when this is closed; -1: with the worker alone */
};

/*
 * A grant for the process that GRANTED names, at the cost of PURSE; with a lifetime if LIVES.
 * Errors: those above; EPIPE there is no attacher.
 */
int grants_give(struct grants *grants, const struct probe_grant *granted,
                const struct grant_purse *purse, bool lives, struct grant *grant,
                struct probe_error *error);

#endif
