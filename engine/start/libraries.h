/* SPDX-License-Identifier: MIT */
/* Which libraries a program is linked with, as its own loader finds them. */
#ifndef ENGINE_LIBRARIES_H
#define ENGINE_LIBRARIES_H

#include "error.h"

/*
 * Asks LOADER (`LOADER --list PROGRAM`, in ENVIRONMENT), which maps the libraries and runs none of
 * their code, and calls FOUND with the path of each. PROGRAM must have a slash in it. What the
 * loader does not find is left out. Stops at the first result that is not 0 and returns it. Errors
 * of its own: EAGAIN, EMFILE, ENFILE, ENOMEM.
 */
int libraries_list(const char *loader, const char *program, char *const *environment,
                   int (*found)(void *data, const char *path, struct probe_error *error),
                   void *data, struct probe_error *error);

/* The path in one line of a loader's list, cut out in place; NULL where there is none. */
char *libraries_path(char *line);

#endif
