/* SPDX-License-Identifier: MIT */
/* What was found in the mappings once: is it there still, and may it be written? */
#include "target/loaded.h"

#include "process/proc.h"
#include "target/copied-code.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Do all segments of LOADED start in the mappings they did? 1, 0, or an error. */
static int compare_segments(const struct loaded *loaded, const struct maps *maps, int fd)
{
    const struct object *object = loaded->object;
    int same = 1;
    for (size_t i = 0; i < object->segment_count && same == 1; i++) {
        const struct segment *segment = &object->segments[i];
        const struct mapping *mapping =
            maps_find(maps, maps_page_of(segment->address) + loaded->bias);
        if (segment->file_size > 0 && mapping && !mapping->executable)
            same = maps_compare_one(fd, mapping);
    }
    return same;
}

int loaded_compare(const struct loaded_list *list, const struct maps *maps, int fd)
{
    int same = maps_compare(fd, maps, MAPS_EXECUTABLE);
    if (same == 1 && list->partial)
        return maps_compare(fd, maps, MAPS_OF_FILES);
    for (size_t i = 0; i < list->count && same == 1; i++)
        same = compare_segments(&list->items[i], maps, fd);
    return same;
}

/* A mapping of LOADED's file, preferably of code: those are compared at every look. */
static const struct mapping *find_mapping(const struct loaded *loaded, const struct maps *maps)
{
    const struct object *object = loaded->object;
    const struct mapping *found = NULL;
    for (size_t i = 0; i < object->segment_count && !(found && found->executable); i++) {
        uint64_t address = maps_page_of(object->segments[i].address) + loaded->bias;
        const struct mapping *mapping = maps_find(maps, address);
        if (mapping && mapping_is_of(mapping, loaded->device, loaded->inode))
            found = mapping;
    }
    return found;
}

bool loaded_is_current(const struct probe_engine *engine, const struct probe_image *image,
                       const struct maps *maps, const struct loaded *loaded)
{
    struct stat status = {0};
    struct object *object = NULL;
    const struct mapping *mapping = loaded->is_program ? NULL : find_mapping(loaded, maps);
    int result = mapping ? image_stat_file(engine, image, mapping, &status) : -EPERM;
    if (result < 0)
        return result != -ENOENT; /* ENOENT: no such mapping any more */
    if (object_cache_find(engine->cache, &status, &object) == 0)
        object_cache_put(engine->cache, object);
    return object == loaded->object;
}

bool loaded_owns(const struct loaded *loaded, const struct maps *maps, uint64_t address,
                 size_t length, enum loaded_use use, struct probe_error *error)
{
    const char *what = use == LOADED_CODE ? "site" : "semaphore";
    for (uint64_t at = address; at < address + length;) {
        const struct mapping *mapping = maps_find(maps, at);
        const char *wrong = NULL;
        if (!mapping)
            wrong = "is not mapped any more";
        else if (mapping->shared)
            wrong = "lies in a shared mapping: writing there would change the file";
        else if (use == LOADED_CODE ? !mapping->executable : !mapping->writable)
            wrong = use == LOADED_CODE ? "lies in memory that is not executable"
                                       : "lies in memory that is not writable";
        else if (strcmp(mapping->path, "[stack]") == 0)
            wrong = "lies on the stack";
        else if (!mapping_is_of(mapping, loaded->device, loaded->inode) &&
                 !mapping_is_anonymous(mapping) &&
                 !(use == LOADED_CODE && copied_code_has(loaded, mapping)))
            wrong = "lies in another object by now";
        if (wrong) {
            error_set(error, EACCES, "the %s at 0x%" PRIx64 " of object '%s' %s", what, address,
                      loaded->path, wrong);
            return false;
        }
        at = mapping->end;
    }
    return true;
}

/* The page size of MAPPING in KiB, from its paragraph in the text of smaps; or 0. */
static unsigned long page_size_of(const char *smaps, const struct mapping *mapping)
{
    static const char field[] = "\nKernelPageSize:";
    char start[32];
    snprintf(start, sizeof(start), "\n%" PRIx64 "-%" PRIx64 " ", mapping->start, mapping->end);
    /* No newline stands before the first paragraph. */
    const char *paragraph =
        strncmp(smaps, start + 1, strlen(start + 1)) == 0 ? smaps : strstr(smaps, start);
    const char *size = paragraph ? strstr(paragraph, field) : NULL;
    return size ? strtoul(size + strlen(field), NULL, 10) : 0;
}

int loaded_page_size(const struct probe_engine *engine, const struct probe_image *image,
                     const struct mapping *mapping, unsigned long *size)
{
    char *smaps = NULL;
    int fd = proc_open(engine->proc, image->pid, image->tid, "smaps", O_RDONLY);
    ssize_t length = fd < 0 ? fd : proc_read_all(fd, &smaps);
    if (fd >= 0)
        close(fd);
    if (length < 0)
        return (int)length;
    *size = page_size_of(smaps, mapping);
    free(smaps);
    return *size == 0 ? -ENOENT : 0;
}

bool loaded_is_gigantic(const struct probe_engine *engine, const struct probe_image *image,
                        const struct mapping *mapping)
{
    const uint64_t giga = 1 << 30;
    unsigned long size = 0;
    if (mapping->start % giga || mapping->end % giga)
        return false;
    /* If it is unknown, it may be. */
    return loaded_page_size(engine, image, mapping, &size) < 0 || size >= giga >> 10;
}
