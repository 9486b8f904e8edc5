/* SPDX-License-Identifier: MIT */
#include "process/maps.h"

#include "process/proc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Parses one line, NUL-ended. */
static int parse_line(char *line, struct mapping *mapping)
{
    unsigned int major = 0;
    unsigned int minor = 0;
    char permissions[5];
    int path = 0;
    int fields = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 "%n",
                        &mapping->start, &mapping->end, permissions, &mapping->offset, &major,
                        &minor, &mapping->inode, &path);
    if (fields != 7 || mapping->start >= mapping->end || strlen(permissions) != 4)
        return -EINVAL;
    mapping->device = (uint64_t)major << 32 | minor;
    mapping->readable = permissions[0] == 'r';
    mapping->writable = permissions[1] == 'w';
    mapping->executable = permissions[2] == 'x';
    mapping->shared = permissions[3] == 's';
    mapping->path = line + path + strspn(line + path, " ");
    return 0;
}

/* Parses TEXT in place. MAPS owns it from here on, also on failure. */
static int parse_owned(char *text, size_t length, struct maps *maps)
{
    struct maps found = {.text = text};
    size_t lines = 0;
    for (size_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    found.items = calloc(lines + 1, sizeof(*found.items));
    int result = found.items ? 0 : -ENOMEM;
    uint64_t last = 0;
    for (char *line = text; result == 0 && line < text + length;) {
        char *end = memchr(line, '\n', (size_t)(text + length - line));
        if (!end || memchr(line, '\0', (size_t)(end - line))) {
            result = -EINVAL;
            break;
        }
        *end = '\0';
        struct mapping *mapping = &found.items[found.count];
        result = parse_line(line, mapping);
        if (result == 0 && mapping->start < last)
            result = -EINVAL;
        if (result == 0) {
            last = mapping->end;
            found.count++;
        }
        line = end + 1;
    }
    if (result < 0)
        maps_done(&found);
    else
        *maps = found;
    return result;
}

int maps_parse(const char *text, size_t length, struct maps *maps)
{
    char *copy = malloc(length + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return parse_owned(copy, length, maps);
}

int maps_read(int fd, struct maps *maps)
{
    char *text = NULL;
    ssize_t length = proc_read_all(fd, &text);
    if (length < 0)
        return (int)length;
    return parse_owned(text, (size_t)length, maps);
}

void maps_done(struct maps *maps)
{
    free(maps->items);
    free(maps->text);
    *maps = (struct maps){0};
}

size_t maps_path(const struct mapping *mapping, char *path, size_t size)
{
    static const char newline[] = "\\012";
    size_t length = 0;
    for (const char *at = mapping->path; *at && length + 1 < size; length++) {
        bool escaped = strncmp(at, newline, strlen(newline)) == 0;
        path[length] = *at;
        if (escaped)
            path[length] = '\n';
        at += escaped ? strlen(newline) : 1;
    }
    path[length] = '\0';
    return length;
}

uint64_t maps_page_of(uint64_t address)
{
    return address & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
}

const struct mapping *maps_find(const struct maps *maps, uint64_t address)
{
    size_t low = 0;
    size_t high = maps->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (maps->items[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < maps->count && maps->items[low].start <= address ? &maps->items[low] : NULL;
}

bool mapping_is_special(const struct mapping *mapping)
{
    static const char *const names[] = {"[vdso]", "[vsyscall]", "[uprobes]"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(mapping->path, names[i]) == 0)
            return true;
    }
    return false;
}

/* The next mapping, from I on, that may be part of an object. */
static size_t next_of_object(const struct maps *maps, size_t i)
{
    while (i < maps->count && maps->items[i].inode == 0 && !maps->items[i].executable)
        i++;
    return i;
}

bool mapping_is_of(const struct mapping *mapping, uint64_t device, uint64_t inode)
{
    return mapping->inode == inode && mapping->device == device;
}

bool mapping_is_anonymous(const struct mapping *mapping)
{
    return mapping->inode == 0 || strncmp(mapping->path, "/anon_hugepage", 14) == 0;
}

bool mapping_is_same(const struct mapping *a, const struct mapping *b)
{
    return a->start == b->start && a->end == b->end && a->offset == b->offset &&
           a->device == b->device && a->inode == b->inode && a->readable == b->readable &&
           a->writable == b->writable && a->executable == b->executable && a->shared == b->shared;
}

bool maps_have_same_files(const struct maps *a, const struct maps *b)
{
    size_t i = next_of_object(a, 0);
    size_t j = next_of_object(b, 0);
    while (i < a->count && j < b->count && mapping_is_same(&a->items[i], &b->items[j])) {
        i = next_of_object(a, i + 1);
        j = next_of_object(b, j + 1);
    }
    return i == a->count && j == b->count;
}
