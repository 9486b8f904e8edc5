/* SPDX-License-Identifier: MIT */
/* Sorts pieces of memory: an update or a snapshot may be about hundreds of thousands of them. */
#ifndef ENGINE_PIECES_H
#define ENGINE_PIECES_H

#include "process/memory.h"

/* By address. Never fails: without memory it only takes longer. */
void pieces_sort(struct memory_piece *pieces, size_t count);

#endif
