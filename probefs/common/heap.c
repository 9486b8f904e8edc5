/* SPDX-License-Identifier: MIT */
#include "common/heap.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/*
 * One heap for all threads. By default, glibc makes up to 8 for each CPU: idle threads keep what
 * theirs has touched, and malloc_trim() gives back the free end of the first heap alone. Small
 * pieces come from caches that each thread has anyway.
 *
 * The thresholds for trimming stay dynamic: fixed ones give back the memory of each large text, and
 * the next one pays a page fault for each page. Reading `info` of 20,000 probes took twice as long.
 */
void heap_init(void)
{
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 1);
#endif
}

void heap_give_back(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
