/* SPDX-License-Identifier: MIT */
/* Which of some names a pattern means. For the patterns, see probe_update_add_pattern(). */
#ifndef ENGINE_SELECT_H
#define ENGINE_SELECT_H

#include "error.h"

/* Is PATTERN a pair START,STOP of names? */
bool select_is_pair(const char *pattern);

/* Names, sorted by byte value, and whose they are. */
struct select_names {
    const char *owner; /* for messages: "process 12" */
    const void *data;
    size_t count;
    const char *(*name)(const void *data, size_t index);
    ssize_t (*find)(const void *data, const char *name); /* negative if there is none */
};

/* Called for each name that matches; a result other than 0 ends the search. */
typedef int select_visit(void *data, size_t index, struct probe_error *error);

/*
 * Calls VISIT for each name that PATTERN means, in their order; for the STOP of a pair first if
 * STOP_FIRST. Returns how many there are, at least 1. Errors: ENOENT no name matches; EINVAL not a
 * pattern; ENOMEM; those of VISIT.
 */
ssize_t select_names(const struct select_names *names, const char *pattern, bool stop_first,
                     select_visit *visit, void *data, struct probe_error *error);

#endif
