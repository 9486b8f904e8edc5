/* SPDX-License-Identifier: MIT */
/* Which of some names a pattern means. See probe_update_add_pattern() for what patterns there are.
 */
#ifndef ENGINE_SELECT_H
#define ENGINE_SELECT_H

#include "error.h"

/* Is it a pair START,STOP of names? */
bool select_is_pair(const char *pattern);

/* Names, sorted by byte value, and whose they are. */
struct select_names {
    const char *owner; /* for a sentence: "process 12" */
    const void *data;
    size_t count;
    const char *(*name)(const void *data, size_t index);
    ssize_t (*find)(const void *data, const char *name); /* negative: there is none */
};

/* Told of each that matches; a result that is not 0 ends the search. */
typedef int select_visit(void *data, size_t index, struct probe_error *error);

/*
 * Calls VISIT for each name that PATTERN means; of a pair START,STOP for STOP first where
 * STOP_FIRST says so. Returns how many (at least 1). Errors: ENOENT none does; EINVAL no such
 * pattern; ENOMEM; VISIT's.
 */
ssize_t select_names(const struct select_names *names, const char *pattern, bool stop_first,
                     select_visit *visit, void *data, struct probe_error *error);

#endif
