/* SPDX-License-Identifier: MIT */
/*
 * Growing arrays: a pointer to the items, and how many there is room for. How many are in use is
 * the caller's to count.
 *
 *   struct list { struct item *items; size_t count, room; };
 *
 *   if (ARRAY_RESERVE(list->items, list->room, list->count + 1) < 0)
 *       return -ENOMEM;
 *   list->items[list->count++] = item;
 */
#ifndef SHARED_ARRAY_H
#define SHARED_ARRAY_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAY_ROOM_MIN = 8 };

/*
 * Makes room for NEEDED items of SIZE bytes in the array that the pointer at ARRAY points to. It
 * grows by half at least, so that adding items one by one costs linear time. Without memory the
 * array stays as it is: -ENOMEM.
 */
static inline int array_reserve(void *array, size_t *room, size_t needed, size_t size)
{
    void *items = NULL;
    if (needed <= *room)
        return 0;
    if (needed > SIZE_MAX / 2 / size)
        return -ENOMEM;
    size_t larger = *room + *room / 2;
    if (larger < ARRAY_ROOM_MIN)
        larger = ARRAY_ROOM_MIN;
    if (larger < needed)
        larger = needed;
    /* Pointers to any type look alike in memory; the compiler need not know that two types meet. */
    memcpy(&items, array, sizeof(items));
    void *grown = reallocarray(items, larger, size);
    if (!grown)
        return -ENOMEM;
    memcpy(array, &grown, sizeof(grown));
    *room = larger;
    return 0;
}

/* The same for a pointer and a room that are variables or members. */
#define ARRAY_RESERVE(items, room, needed)                                                         \
    array_reserve((void *)&(items), &(room), needed, sizeof(*(items)))

#endif
