/* SPDX-License-Identifier: MIT */
#include "process/mapped-code.h"

#include <errno.h>
#include <string.h>

/* FNV-1a. Need not resist collisions: a user who forges one confuses only their own processes. */
#define DIGEST_START 0xcbf29ce484222325
#define DIGEST_PRIME 0x100000001b3

uint64_t mapped_code_digest(uint64_t digest, uint64_t value)
{
    digest = (digest ^ value) * DIGEST_PRIME;
    return digest ^ digest >> 32;
}

static int add_mapping(struct mapped_code *code, enum maps_kind kind, const struct mapping *mapping)
{
    const uint64_t fields[] = {
        mapping->start,
        mapping->end,
        mapping->offset,
        mapping->device,
        mapping->inode,
        (uint64_t)mapping->readable | (uint64_t)mapping->writable << 1 |
            (uint64_t)mapping->executable << 2 | (uint64_t)mapping->shared << 3,
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        code->digest = mapped_code_digest(code->digest, fields[i]);
    if (kind != MAPS_EXECUTABLE)
        return 0;
    if (code->count == MAPPED_CODE_MAX)
        return -E2BIG;
    if (mapping->inode == 0 && !mapping_is_special(mapping))
        code->copied = true;
    code->items[code->count] = *mapping;
    code->items[code->count++].path = "";
    return 0;
}

/* Adds all mappings of KIND, from TEXT or, if that is NULL, by asking the kernel. */
static int add_mappings(int fd, const struct maps *text, enum maps_kind kind,
                        struct mapped_code *code)
{
    uint64_t at = 0;
    int status = 0;
    for (size_t i = 0; text && i < text->count && status == 0; i++) {
        const struct mapping *mapping = &text->items[i];
        if (mapping_is_of_kind(mapping, kind))
            status = add_mapping(code, kind, mapping);
    }
    while (!text && status == 0) {
        struct mapping mapping = {0};
        status = maps_query(fd, at, kind, &mapping);
        if (status == 0 && mapping.inode == 0 && maps_is_special(fd, &mapping))
            mapping.path = "[vdso]";
        if (status == 0)
            status = add_mapping(code, kind, &mapping);
        at = mapping.end;
    }
    return status == -ENOENT ? 0 : status;
}

static int add_kinds(int fd, const struct maps *text, struct mapped_code *code)
{
    code->count = 0;
    code->copied = false;
    code->digest = DIGEST_START;
    int status = add_mappings(fd, text, MAPS_EXECUTABLE, code);
    if (status == 0 && code->copied)
        status = add_mappings(fd, text, MAPS_OF_FILES, code);
    return status;
}

int mapped_code_read(int fd, struct mapped_code *code)
{
    struct maps text;
    int status = add_kinds(fd, NULL, code);
    if (status != -ENOTTY)
        return status;
    status = maps_read(fd, &text);
    if (status < 0)
        return status;
    status = text.count > 0 ? add_kinds(fd, &text, code) : -ESRCH;
    maps_done(&text);
    return status;
}
