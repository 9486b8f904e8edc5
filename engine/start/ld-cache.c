/* SPDX-License-Identifier: MIT */
#include "start/ld-cache.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

static const char old_magic[] = "ld.so-1.7.0";
static const char new_magic[] = "glibc-ld.so.cache1.1";

enum {
    OLD_HEADER_SIZE = 16, /* the magic, a byte to spare, how many entries */
    OLD_ENTRY_SIZE = 12,
    NEW_ALIGNMENT = 8,
    LITTLE_ENDIAN_MARK = 2,
    MARK_MASK = 3,
};

static const uint32_t extension_magic = 0xeaa42174;
enum { HWCAPS_TAG = 1 };

/* An entry whose upper word is this has, in the lower, the index of a name among the hwcaps. */
static const uint32_t named_hwcap = UINT32_C(1) << 30;

struct new_header {
    char magic[20];
    uint32_t count, strings_size;
    uint8_t flags, unused[3];
    uint32_t extension; /* offset, or 0 */
    uint32_t unused_words[3];
};

/* KEY and VALUE are offsets of strings from the header. */
struct new_entry {
    uint32_t kind, key, value, system;
    uint32_t hwcap, hwcap_high;
};

struct extension {
    uint32_t magic, count;
};

struct section {
    uint32_t tag, flags, offset, size;
};

struct cache {
    const char *bytes;
    size_t length;
    size_t count; /* of entries */
    struct section hwcaps;
};

/* The gate: copies LENGTH bytes at OFFSET; false where they are not all there. */
static bool copy_bytes(const struct cache *cache, void *to, size_t length, uint64_t offset)
{
    if (offset > cache->length || length > cache->length - offset)
        return false;
    memcpy(to, cache->bytes + offset, length);
    return true;
}

/* The string at OFFSET, or NULL where none ends within the file. */
static const char *string_at(const struct cache *cache, uint32_t offset)
{
    if (offset >= cache->length)
        return NULL;
    const char *string = cache->bytes + offset;
    return memchr(string, '\0', cache->length - offset) ? string : NULL;
}

/* Skips what is there in the older format. */
static void skip_old(struct cache *cache)
{
    uint32_t count = 0;
    if (cache->length < OLD_HEADER_SIZE || memcmp(cache->bytes, old_magic, strlen(old_magic)) != 0)
        return;
    memcpy(&count, cache->bytes + OLD_HEADER_SIZE - sizeof(count), sizeof(count));
    uint64_t size = OLD_HEADER_SIZE + (uint64_t)count * OLD_ENTRY_SIZE;
    size = (size + NEW_ALIGNMENT - 1) / NEW_ALIGNMENT * NEW_ALIGNMENT;
    if (size > cache->length)
        size = cache->length;
    cache->bytes += size;
    cache->length -= (size_t)size;
}

static void find_hwcaps(struct cache *cache, uint32_t at)
{
    struct extension extension;
    if (at == 0 || !copy_bytes(cache, &extension, sizeof(extension), at) ||
        extension.magic != extension_magic)
        return;
    for (uint32_t i = 0; i < extension.count; i++) {
        struct section section;
        uint64_t offset = (uint64_t)at + sizeof(extension) + (uint64_t)i * sizeof(section);
        if (!copy_bytes(cache, &section, sizeof(section), offset))
            return;
        if (section.tag == HWCAPS_TAG)
            cache->hwcaps = section;
    }
}

static bool open_cache(struct cache *cache)
{
    struct new_header header;
    skip_old(cache);
    if (!copy_bytes(cache, &header, sizeof(header), 0) ||
        memcmp(header.magic, new_magic, sizeof(header.magic)) != 0)
        return false;
    uint8_t mark = header.flags & MARK_MASK;
    if (mark != 0 && mark != LITTLE_ENDIAN_MARK)
        return false;
    cache->count = header.count;
    if (cache->count > (cache->length - sizeof(header)) / sizeof(struct new_entry))
        return false;
    find_hwcaps(cache, header.extension);
    return true;
}

/* The name of the INDEXth hwcap that the cache knows, or NULL. */
static const char *hwcap_name(const struct cache *cache, uint32_t index)
{
    uint32_t name = 0;
    if (index >= cache->hwcaps.size / sizeof(name) ||
        !copy_bytes(cache, &name, sizeof(name),
                    cache->hwcaps.offset + (uint64_t)index * sizeof(name)))
        return NULL;
    return string_at(cache, name);
}

/* How well the entry suits this processor: 0 best, UINT_MAX not at all. */
static unsigned int rank_entry(const struct cache *cache, const struct new_entry *entry,
                               const char *const *hwcaps)
{
    unsigned int rank = 0;
    const char *wanted = NULL;
    if (entry->hwcap_high == named_hwcap) {
        wanted = hwcap_name(cache, entry->hwcap);
        if (!wanted)
            return UINT_MAX;
    } else if (entry->hwcap_high != 0 || entry->hwcap != 0) {
        return UINT_MAX; /* of glibc before 2.33 */
    }
    while (hwcaps[rank] && (!wanted || strcmp(hwcaps[rank], wanted) != 0))
        rank++;
    return wanted && !hwcaps[rank] ? UINT_MAX : rank;
}

const char *ld_cache_find(const void *bytes, size_t length, const char *name, uint32_t kind,
                          const char *const *hwcaps)
{
    struct cache cache = {.bytes = bytes, .length = length};
    const char *best = NULL;
    unsigned int best_rank = UINT_MAX;
    if (!open_cache(&cache))
        return NULL;
    for (size_t i = 0; i < cache.count; i++) {
        struct new_entry entry;
        if (!copy_bytes(&cache, &entry, sizeof(entry),
                        sizeof(struct new_header) + (uint64_t)i * sizeof(entry)))
            break;
        const char *key = entry.kind == kind ? string_at(&cache, entry.key) : NULL;
        if (!key || strcmp(key, name) != 0)
            continue;
        unsigned int rank = rank_entry(&cache, &entry, hwcaps);
        const char *value = rank < best_rank ? string_at(&cache, entry.value) : NULL;
        if (value) {
            best = value;
            best_rank = rank;
        }
    }
    return best;
}
