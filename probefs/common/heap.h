/* SPDX-License-Identifier: MIT */
/* How much free memory the allocator keeps, and when it gives that back to the system. */
#ifndef PROBEFS_HEAP_H
#define PROBEFS_HEAP_H

/* After so many frees, of some hundred bytes each, heap_give_back() is worth its time. */
enum { HEAP_WORTH_IT = 256 };

/* Called before the program's first thread. */
void heap_init(void);

/* Gives free pages between what is in use back to the system. Takes time for each free piece. */
void heap_give_back(void);

#endif
