/* SPDX-License-Identifier: MIT */
/* Where a site or a counter of an object is. */
#ifndef ENGINE_PLACE_H
#define ENGINE_PLACE_H

#include <stdint.h>

struct place {
    uint32_t offset; /* from the first of them, in the order of the addresses */
    uint32_t index;  /* in the object */
};

#endif
