/* SPDX-License-Identifier: MIT */
/* The children of a process, as the kernel lists them for each of its threads. */
#ifndef ENGINE_CHILDREN_H
#define ENGINE_CHILDREN_H

#include <stddef.h>
#include <sys/types.h>

struct children {
    pid_t *pids;
    size_t count, room;
};

/*
 * Adds the children of PID. Children that end meanwhile can make the kernel leave out others: read
 * again until nothing is new. Errors: ENOENT there is no such process, or the kernel does not tell
 * (CONFIG_PROC_CHILDREN); ENOMEM; those of reading.
 */
int children_read(int proc, pid_t pid, struct children *children);
void children_done(struct children *children);

#endif
