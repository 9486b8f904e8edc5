/* SPDX-License-Identifier: MIT */
#include "object/object.h"

#include "shared/array.h"

#include <errno.h>
#include <stdlib.h>

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Item INDEX of a column of addresses that are STRIDE bytes apart. */
static uint64_t address_at(const uint64_t *column, size_t stride, size_t index)
{
    return *(const uint64_t *)(const void *)((const char *)column + index * stride);
}

/* Sorts PLACES, whose items have only their indices, by the addresses in COLUMN. */
static int places_sort(struct places *places, const uint64_t *column, size_t stride)
{
    uint64_t last = 0;
    places->start = places->count ? UINT64_MAX : 0;
    for (size_t i = 0; i < places->count; i++) {
        uint64_t address = address_at(column, stride, places->items[i].index);
        places->start = address < places->start ? address : places->start;
        last = address > last ? address : last;
    }
    if (last - places->start > UINT32_MAX)
        return -E2BIG;
    for (size_t i = 0; i < places->count; i++)
        places->items[i].offset =
            (uint32_t)(address_at(column, stride, places->items[i].index) - places->start);
    qsort(places->items, places->count, sizeof(*places->items), compare_places);
    return 0;
}

/* A gap of more than a page ends a window: no page may be there. */
enum { GAP = 4096 };

/* Finds the end of the window that begins with place FIRST. */
static size_t window_end(const struct places *places, size_t first, size_t length)
{
    uint64_t start = places->items[first].offset;
    uint64_t end = start + length;
    size_t i = first + 1;
    for (; i < places->count; i++) {
        uint64_t offset = places->items[i].offset;
        if (offset > end + GAP || offset + length - start > PLACES_WINDOW)
            break;
        end = offset + length;
    }
    return i;
}

/* Divides sorted PLACES, each LENGTH bytes long, into windows. */
static int places_divide(struct places *places, size_t length)
{
    size_t room = 0;
    for (size_t end = 0; end < places->count;) {
        if (ARRAY_RESERVE(places->ends, room, places->window_count + 1) < 0)
            return -ENOMEM;
        end = window_end(places, end, length);
        places->ends[places->window_count++] = (uint32_t)end;
    }
    return 0;
}

static int places_find_sites(const struct object *object, struct places *places)
{
    places->items = malloc((object->site_count + 1) * sizeof(*places->items));
    if (!places->items)
        return -ENOMEM;
    for (uint32_t i = 0; i < object->site_count; i++) {
        if (object->sites[i].patched)
            places->items[places->count++].index = i;
    }
    int status = places_sort(places, &object->sites->address, sizeof(*object->sites));
    return status < 0 ? status : places_divide(places, SITE_LENGTH);
}

static int places_find_counters(const struct object *object, struct places *places)
{
    places->items = malloc((object->counter_count + 1) * sizeof(*places->items));
    if (!places->items)
        return -ENOMEM;
    for (uint32_t i = 0; i < object->counter_count; i++)
        places->items[places->count++].index = i;
    int status = places_sort(places, &object->counters->address, sizeof(*object->counters));
    return status < 0 ? status : places_divide(places, COUNTER_LENGTH);
}

void places_done(struct places *places)
{
    free(places->items);
    free(places->ends);
    *places = (struct places){0};
}

int object_places(struct object *object, const struct places **sites,
                  const struct places **counters)
{
    struct places found[2] = {{0}, {0}};
    int status = 0;
    pthread_mutex_lock(&object->lock);
    if (!object->site_places.items) {
        status = places_find_sites(object, &found[0]);
        if (status == 0)
            status = places_find_counters(object, &found[1]);
        if (status == 0) {
            object->site_places = found[0];
            object->counter_places = found[1];
        } else {
            places_done(&found[0]);
            places_done(&found[1]);
        }
    }
    pthread_mutex_unlock(&object->lock);
    *sites = &object->site_places;
    *counters = &object->counter_places;
    return status;
}
