/* SPDX-License-Identifier: MIT */
/* The text of /proc/PID/maps: what is found is in order, and every address finds its mapping. */
#include "fuzz.h"

#include "process/maps.h"

static void check_mapping(const struct maps *maps, size_t i)
{
    const struct mapping *mapping = &maps->items[i];
    char path[64];
    require(mapping->start < mapping->end);
    require(i == 0 || mapping[-1].end <= mapping->start);
    require(maps_find(maps, mapping->start) == mapping);
    require(maps_find(maps, mapping->end - 1) == mapping);
    require(maps_find(maps, mapping->end) != mapping);
    require(maps_path(mapping, path, sizeof(path)) == strlen(path));
    require(strlen(path) <= strlen(mapping->path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct maps maps;
    if (maps_parse((const char *)data, size, &maps) < 0)
        return 0;
    for (size_t i = 0; i < maps.count; i++)
        check_mapping(&maps, i);
    require(maps_have_same_files(&maps, &maps));
    require(maps.count > 0 || !maps_find(&maps, 0));
    maps_done(&maps);
    return 0;
}
