/* SPDX-License-Identifier: MIT */
/*
 * Which libraries a program is linked with: what its loader would load, found by reading.
 *
 * Nothing of the program, its loader or its libraries runs, not even what ld.so runs in its list
 * mode (audit libraries). The rules are those of glibc's loader (ld.so(8)), or musl's where the
 * program names that one: glibc-search.c, musl-search.c.
 *
 * Surprises: a library's own paths come before or after others' depending on which of two tags
 * they stand in; the same file may be asked for under several names, and is one library; a program
 * with privileges gets other libraries than one without.
 */
#ifndef ENGINE_LIBRARIES_H
#define ENGINE_LIBRARIES_H

#include "engine.h"

#include <sys/stat.h>

/* A start to come. */
struct libraries_start {
    const struct probe_engine *engine; /* its log is told of libraries that are missing */
    int program;                       /* the executable, open for reading */
    const char *path;                  /* what /proc/self/exe will be in its process */
    char *const *environment;
    bool secure; /* the program gets privileges: its environment has no say */
};

/* Told of each library, open for reading in FD until it returns; a result other than 0 ends it. */
typedef int libraries_visit(void *data, int fd, const char *path, struct probe_error *error);

/*
 * Calls VISIT for the loader and each library, once each. LOADER gets the loader's status, and
 * stays as it is if there is none. What is not found is left out, with a line in the log, and so is
 * everything if the executable is damaged. Returns 0, or VISIT's result. Errors: E2BIG the program
 * needs more than any real one; EMFILE, ENFILE, ENOMEM.
 */
int libraries_find(const struct libraries_start *start, libraries_visit *visit, void *data,
                   struct stat *loader, struct probe_error *error);

#endif
