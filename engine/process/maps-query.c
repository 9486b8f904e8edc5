/* SPDX-License-Identifier: MIT */
/*
 * PROCMAP_QUERY, an ioctl on an open maps file (Linux 6.11): one mapping in half a microsecond,
 * where the text of all of them takes tens. The headers we are built with may be older than the
 * kernel we run on, so its definitions are repeated here. See include/uapi/linux/fs.h.
 */
#include "process/maps.h"

#include <errno.h>
#include <sys/ioctl.h>

enum {
    QUERY_READABLE = 0x01,
    QUERY_WRITABLE = 0x02,
    QUERY_EXECUTABLE = 0x04,
    QUERY_SHARED = 0x08,
    QUERY_OR_NEXT = 0x10, /* the mapping at the address, or the first behind it */
    QUERY_OF_FILE = 0x20,
};

struct query {
    uint64_t size;
    uint64_t flags;
    uint64_t address;
    uint64_t start, end;
    uint64_t permissions;
    uint64_t page_size;
    uint64_t offset;
    uint64_t inode;
    uint32_t major, minor;
    uint32_t name_size, build_id_size;
    uint64_t name, build_id;
};

#define MAPS_QUERY _IOWR('f', 17, struct query)

/* The vsyscall page: the text of maps has it, but it is no mapping. */
enum { GATE_BIT = 63 };

/* Room for the names of the kernel's own mappings. */
enum { SPECIAL_SIZE = 16 };

int maps_query(int fd, uint64_t address, enum maps_kind kind, struct mapping *mapping)
{
    static const uint64_t flags[] = {
        [MAPS_ALL] = 0,
        [MAPS_EXECUTABLE] = QUERY_EXECUTABLE,
        [MAPS_OF_FILES] = QUERY_OF_FILE,
    };
    struct query query = {
        .size = sizeof(query),
        .flags = flags[kind] | QUERY_OR_NEXT,
        .address = address,
    };
    if (ioctl(fd, MAPS_QUERY, &query) < 0)
        return -errno;
    *mapping = (struct mapping){
        .start = query.start,
        .end = query.end,
        .offset = query.offset,
        .device = (uint64_t)query.major << 32 | query.minor,
        .inode = query.inode,
        .readable = query.permissions & QUERY_READABLE,
        .writable = query.permissions & QUERY_WRITABLE,
        .executable = query.permissions & QUERY_EXECUTABLE,
        .shared = query.permissions & QUERY_SHARED,
        .path = "",
    };
    return 0;
}

bool maps_is_special(int fd, const struct mapping *mapping)
{
    char name[SPECIAL_SIZE] = "";
    struct query query = {
        .size = sizeof(query),
        .address = mapping->start,
        .name_size = sizeof(name),
        .name = (uintptr_t)name,
    };
    const struct mapping named = {.path = name};
    return ioctl(fd, MAPS_QUERY, &query) == 0 && query.name_size > 0 && mapping_is_special(&named);
}

bool mapping_is_of_kind(const struct mapping *mapping, enum maps_kind kind)
{
    if (mapping->start >> GATE_BIT)
        return false;
    return kind == MAPS_ALL ||
           (kind == MAPS_EXECUTABLE ? mapping->executable : mapping->inode != 0);
}

int maps_compare(int fd, const struct maps *maps, enum maps_kind kind)
{
    uint64_t at = 0;
    for (size_t i = 0;; i++) {
        struct mapping now = {0};
        int status = maps_query(fd, at, kind, &now);
        while (i < maps->count && !mapping_is_of_kind(&maps->items[i], kind))
            i++;
        if (status == -ENOENT)
            return i == maps->count;
        if (status < 0)
            return status;
        if (i == maps->count || !mapping_is_same(&maps->items[i], &now))
            return 0;
        at = now.end;
    }
}

int maps_compare_one(int fd, const struct mapping *mapping)
{
    struct mapping now;
    int status = maps_query(fd, mapping->start, MAPS_ALL, &now);
    if (status == -ENOENT)
        return 0;
    return status < 0 ? status : mapping_is_same(mapping, &now);
}
