/* SPDX-License-Identifier: MIT */
/* A sweep of the inodes: what has ended is forgotten now and then, and the kernel told to forget
 * it. */
#ifndef PROBEFS_SWEEP_H
#define PROBEFS_SWEEP_H

#include "server/inodes.h"

#include <limits.h>

/* Of the targets, counts those that are not among PIDS, all processes that there are, sorted. */
void sweep_note_processes(struct inodes *inodes, const pid_t *pids, size_t count);

/* Have so many targets come since the last sweep, or ended, that the next is worth its while? */
bool sweep_is_due(struct inodes *inodes);

/* A name in a directory, which the kernel has and should forget. */
struct stale_name {
    uint64_t directory; /* its number */
    char name[NAME_MAX + 1];
};

/*
 * Forgets targets that nothing refers to and that do not live any more. Of those that the kernel
 * still has names of, it gives these names, for the caller to free: at first those of their
 * directories in the root, and if that does not help (what is open keeps its name, and what has
 * been open may, too), in later sweeps all names in them. Without memory, some are left out.
 */
void sweep_inodes(struct inodes *inodes, struct stale_name **names, size_t *count);

#endif
