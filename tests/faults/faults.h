/* SPDX-License-Identifier: MIT */
/*
 * Allocations that fail, on demand. Linked into a test, or preloaded into a server, in front of
 * libc's malloc() and its kind.
 *
 * A preloaded one is told what to do through a file, a struct faults, which FAULTS in the
 * environment names, and which all processes that have it share.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdatomic.h>
#include <stdint.h>

struct faults {
    _Atomic int64_t first; /* how many allocations still succeed; negative: all do */
    _Atomic int64_t count; /* how many fail from then on */
    _Atomic int64_t hits;  /* how many have failed */
    _Atomic int64_t seen;  /* how many there were in all */
    _Atomic int64_t live;  /* how many were not freed yet */
};

/* Those of this process. */
struct faults *faults_of_process(void);

#endif
