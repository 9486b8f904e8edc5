/* SPDX-License-Identifier: MIT */
#include "target/copied-code.h"

#include "arch/arch.h"
#include "object/object.h"
#include "process/memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool copied_code_is_in(const struct loaded *loaded, const struct mapping *mapping)
{
    return mapping->executable &&
           (mapping->inode != loaded->inode || mapping->device != loaded->device);
}

/* Reads the bytes of all sites in the object's file. */
static int read_sites(const struct probe_engine *engine, const struct probe_image *image,
                      const struct maps *maps, const struct loaded *loaded,
                      const uint8_t (**bytes)[SITE_LENGTH])
{
    int fd = -EIO;
    for (size_t i = 0; i < maps->count && !object_sites_are_read(loaded->object); i++) {
        const struct mapping *mapping = &maps->items[i];
        if (mapping->inode != loaded->inode || mapping->device != loaded->device)
            continue;
        fd = image_open_file(engine, image, mapping);
        break;
    }
    int status = object_read_sites(loaded->object, fd, bytes, NULL);
    if (fd >= 0)
        close(fd);
    return status;
}

static bool is_site(const struct site *site, const uint8_t memory[SITE_LENGTH],
                    const uint8_t file[SITE_LENGTH])
{
    return site->patched ? arch_is_site(memory, file)
                         : memory[0] == file[0] || arch_is_traced(memory, file);
}

/* What the sites in a mapping are, compared with the object's. */
enum comparison { NO_SITES, SAME_SITES, OTHER_SITES, UNREAD_SITES };

/* One that is the same will do: a debugger may have breakpoints on others. */
static enum comparison compare_sites(const struct probe_image *image, const struct loaded *loaded,
                                     const struct mapping *mapping,
                                     const uint8_t (*bytes)[SITE_LENGTH])
{
    const struct object *object = loaded->object;
    enum comparison result = NO_SITES;
    for (size_t i = 0; i < object->site_count; i++) {
        const struct site *site = &object->sites[i];
        uint64_t address = site->address + loaded->bias;
        uint8_t memory[SITE_LENGTH] = {0};
        if (address < mapping->start || address >= mapping->end)
            continue;
        uint64_t left = mapping->end - address;
        size_t length = left < SITE_LENGTH ? (size_t)left : SITE_LENGTH;
        if (memory_read_span(image, address, length, memory) < 0)
            result = result == NO_SITES ? UNREAD_SITES : result;
        else if (is_site(site, memory, bytes[i]))
            return SAME_SITES;
        else
            result = OTHER_SITES;
    }
    return result;
}

bool copied_code_has(const struct loaded *loaded, const struct mapping *mapping)
{
    for (unsigned int i = 0; i < loaded->copy_count; i++) {
        if (loaded->copies[i].inode == mapping->inode &&
            loaded->copies[i].device == mapping->device)
            return true;
    }
    return false;
}

/* From now on, MAPPING's file holds copies of the code. */
static void add_copy(struct loaded *loaded, const struct mapping *mapping,
                     struct copied_code *found)
{
    if (mapping->inode == 0 || copied_code_has(loaded, mapping))
        return;
    if (loaded->copy_count == COPIES_MAX)
        found->foreign = true;
    else
        loaded->copies[loaded->copy_count++] = (struct file_id){mapping->device, mapping->inode};
}

static int check_mapping(const struct probe_engine *engine, const struct probe_image *image,
                         const struct maps *maps, struct loaded *loaded,
                         const struct mapping *mapping, struct copied_code *found)
{
    const uint8_t(*bytes)[SITE_LENGTH] = NULL;
    found->any = true;
    found->shared |= mapping->shared;
    int status = read_sites(engine, image, maps, loaded, &bytes);
    /* If the file cannot be read, each write will say so. */
    enum comparison sites = status == 0 ? compare_sites(image, loaded, mapping, bytes) : NO_SITES;
    found->foreign |= sites == OTHER_SITES;
    found->unchecked |= sites == UNREAD_SITES;
    if (sites != OTHER_SITES)
        add_copy(loaded, mapping, found);
    return status == -ENOMEM ? status : 0;
}

static bool has_site(const struct loaded *loaded, const struct mapping *mapping)
{
    const struct object *object = loaded->object;
    for (size_t i = 0; i < object->site_count; i++) {
        uint64_t address = object->sites[i].address + loaded->bias;
        if (address >= mapping->start && address < mapping->end)
            return true;
    }
    return false;
}

int copied_code_find(const struct probe_engine *engine, const struct probe_image *image,
                     const struct maps *maps, struct loaded *loaded, struct copied_code *found)
{
    const struct object *object = loaded->object;
    const struct mapping *behind = maps->items + maps->count;
    int status = 0;
    *found = (struct copied_code){0};
    for (size_t i = 0; i < object->segment_count && status == 0; i++) {
        const struct segment *segment = &object->segments[i];
        uint64_t at = segment->address + loaded->bias;
        uint64_t end = at + segment->memory_size;
        if (!segment->executable)
            continue;
        /* The first page may not be mapped: so from the first mapping that ends behind it. */
        const struct mapping *mapping = maps->items;
        while (mapping < behind && mapping->end <= at)
            mapping++;
        for (; mapping < behind && mapping->start < end && status == 0; mapping++) {
            if (copied_code_is_in(loaded, mapping))
                status = check_mapping(engine, image, maps, loaded, mapping, found);
            else if (mapping->executable && !found->own)
                found->own = has_site(loaded, mapping);
        }
    }
    return status;
}
