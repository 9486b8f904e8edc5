/* SPDX-License-Identifier: MIT */
/*
 * How notes become probes:
 *
 *   1. Each note is checked against the row of its format and becomes an entry.
 *   2. `ocaml` notes do not tell their layout; one pass over the symbols does.
 *   3. Entries are sorted by (name, site); each run of one name becomes a probe, whose counters
 *      are the distinct ones of its entries.
 *
 * Surprises: one name may have notes of several formats; the same note may stand twice (several
 * units inlined one function); a name may have as many counters as sites.
 */
#include "object/object-builder.h"

#include "object/format.h"
#include "names/name.h"
#include "object/note.h"
#include "shared/array.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct name {
    char *shown;
    const char *raw;
    uint64_t only_semaphore; /* for formats that have one for each name */
    UT_hash_handle hh;
};

struct entry {
    const struct name *name;
    const struct format *format;
    uint64_t site, semaphore, counter;
    const char *arguments;
    bool named_layout;
};

struct object_builder {
    struct object *object;
    struct elf_file *file;
    const char *const *reserved; /* see name_show() */
    struct probe_error *reason;
    struct name *names; /* by shown name */
    struct entry *entries;
    size_t count, room;
};

int object_builder_new(struct object *object, struct elf_file *file, const char *const *reserved,
                       struct probe_error *reason, struct object_builder **result)
{
    struct object_builder *builder = calloc(1, sizeof(*builder));
    if (!builder)
        return -ENOMEM;
    builder->object = object;
    builder->file = file;
    builder->reserved = reserved;
    builder->reason = reason;
    *result = builder;
    return 0;
}

void object_builder_free(struct object_builder *builder)
{
    if (!builder)
        return;
    struct name *name = NULL;
    struct name *next = NULL;
    HASH_ITER (hh, builder->names, name, next) {
        HASH_DEL(builder->names, name);
        free(name->shown);
        free(name);
    }
    free(builder->entries);
    free(builder);
}

/* Do LENGTH bytes at ADDRESS lie within one segment that is writable, or executable? */
static bool in_segment(const struct object *object, uint64_t address, size_t length, bool writable)
{
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        uint64_t size = writable ? segment->memory_size : segment->file_size;
        if ((writable ? segment->writable : segment->executable) && size >= length &&
            address >= segment->address && address - segment->address <= size - length)
            return true;
    }
    return false;
}

static int find_name(struct object_builder *builder, const struct note *note,
                     const struct format *format, struct name **result)
{
    char shown[NAME_LENGTH + 1];
    name_show(format->prefixed ? note->provider : NULL, note->name, builder->reserved, shown);

    struct name *name = NULL;
    HASH_FIND_STR(builder->names, shown, name);
    if (!name) {
        name = calloc(1, sizeof(*name));
        if (!name || !(name->shown = strdup(shown))) {
            free(name);
            return -ENOMEM;
        }
        name->raw = note->name;
        HASH_ADD_KEYPTR(hh, builder->names, name->shown, strlen(name->shown), name);
        if (!name->hh.tbl) {
            free(name->shown);
            free(name);
            return -ENOMEM;
        }
    }
    *result = name;
    return 0;
}

static int check_note(struct object_builder *builder, const struct note *note,
                      const struct format *format, const char *shown)
{
    if (note->semaphore == 0)
        return error_set(builder->reason, EINVAL, "its probe '%s' has no semaphore", shown);
    if (note->site == 0 && format->needs_site)
        return error_set(builder->reason, EINVAL, "its probe '%s' has a site at address 0", shown);
    size_t length = format->patched ? SITE_LENGTH : 1;
    if (note->site != 0 && !in_segment(builder->object, note->site, length, false))
        return error_set(builder->reason, EINVAL,
                         "its probe '%s' has a site at 0x%" PRIx64 ", outside of its code", shown,
                         note->site);
    return 0;
}

static int add_entry(struct object_builder *builder, const struct entry *entry)
{
    if (ARRAY_RESERVE(builder->entries, builder->room, builder->count + 1) < 0)
        return -ENOMEM;
    builder->entries[builder->count++] = *entry;
    return 0;
}

int object_builder_add(void *data, const void *descriptor, size_t length)
{
    struct object_builder *builder = data;
    struct note note;
    if (note_parse(descriptor, length, &note) < 0)
        return error_set(builder->reason, EINVAL, "it has a note that is cut short");
    note_shift(&note, elf_file_base(builder->file));

    const struct format *format = format_find(note.provider);
    if (note.semaphore == 0 && !format->needs_semaphore)
        return 0;
    if (note.name[0] == '\0')
        return error_set(builder->reason, EINVAL, "it has a probe with an empty name");

    struct name *name = NULL;
    int result = find_name(builder, &note, format, &name);
    if (result < 0)
        return result;
    result = check_note(builder, &note, format, name->shown);
    if (result < 0)
        return result;

    if (format->one_semaphore) {
        if (name->only_semaphore && name->only_semaphore != note.semaphore)
            return error_set(builder->reason, EINVAL,
                             "its probe '%s' has two semaphores, at 0x%" PRIx64 " and 0x%" PRIx64,
                             name->shown, name->only_semaphore, note.semaphore);
        name->only_semaphore = note.semaphore;
    }
    return add_entry(builder, &(struct entry){
                                  .name = name,
                                  .format = format,
                                  .site = note.site,
                                  .semaphore = note.semaphore,
                                  .counter = note.semaphore + format->counter_shift,
                                  .arguments = note.arguments,
                              });
}

static int compare_symbols(const void *a, const void *b)
{
    const struct elf_symbol *x = a;
    const struct elf_symbol *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Which notes of formats that have two layouts are of the later one? Only the symbols tell. */
static int find_layouts(struct object_builder *builder)
{
    struct elf_symbol *symbols = calloc(builder->count + 1, sizeof(*symbols));
    if (!symbols)
        return -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < builder->count; i++) {
        const struct entry *entry = &builder->entries[i];
        if (entry->format->named_layout)
            symbols[count++] = (struct elf_symbol){.address = entry->semaphore,
                                                   .prefix = FORMAT_NAMED_SYMBOL,
                                                   .name = entry->name->raw};
    }
    qsort(symbols, count, sizeof(*symbols), compare_symbols);
    int result = count ? elf_file_symbols(builder->file, symbols, count) : 0;
    for (size_t i = 0; i < builder->count && count && result == 0; i++) {
        struct entry *entry = &builder->entries[i];
        struct elf_symbol key = {.address = entry->semaphore, .name = entry->name->raw};
        if (!entry->format->named_layout)
            continue;
        const struct elf_symbol *symbol =
            bsearch(&key, symbols, count, sizeof(*symbols), compare_symbols);
        if (symbol && symbol->found) {
            entry->named_layout = true;
            entry->counter = entry->semaphore + FORMAT_NAMED_SHIFT;
        }
    }
    free(symbols);
    return result;
}

static int check_counters(struct object_builder *builder)
{
    for (size_t i = 0; i < builder->count; i++) {
        const struct entry *entry = &builder->entries[i];
        if (entry->counter < entry->semaphore ||
            !in_segment(builder->object, entry->counter, sizeof(uint16_t), true))
            return error_set(builder->reason, EINVAL,
                             "its probe '%s' has a semaphore at 0x%" PRIx64
                             ", outside of its writable data",
                             entry->name->shown, entry->semaphore);
    }
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    if (x->name != y->name)
        return strcmp(x->name->shown, y->name->shown);
    if (x->site != y->site)
        return x->site < y->site ? -1 : 1;
    return x->counter < y->counter ? -1 : x->counter > y->counter;
}

static int compare_counters(const void *a, const void *b)
{
    const struct counter *x = a;
    const struct counter *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

/* Sorts COUNT counters and drops repeated ones; returns how many are left. */
static size_t sort_counters(struct counter *counters, size_t count)
{
    qsort(counters, count, sizeof(*counters), compare_counters);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && counters[kept - 1].address == counters[i].address)
            counters[kept - 1].kernel_counts |= counters[i].kernel_counts;
        else
            counters[kept++] = counters[i];
    }
    return kept;
}

/* One run of entries of one name becomes the object's next probe. */
static void add_probe(struct object *object, const struct entry *entries, size_t count,
                      char **strings)
{
    struct object_probe *probe = &object->probes[object->probe_count++];
    struct counter *counters = &object->counters[object->counter_count];
    for (size_t i = 0; i < count; i++)
        counters[i] = (struct counter){
            .address = entries[i].counter,
            .kernel_counts = entries[i].counter == entries[i].semaphore,
        };
    *probe = (struct object_probe){
        .name = *strings,
        .first_site = (uint32_t)object->site_count,
        .first_counter = (uint32_t)object->counter_count,
        .counter_count = (uint32_t)sort_counters(counters, count),
    };
    *strings = stpcpy(*strings, entries[0].name->shown) + 1;
    object->counter_count += probe->counter_count;

    for (size_t i = 0; i < count; i++) {
        if (entries[i].site == 0)
            continue;
        /* The same site again: the same instruction, whatever the other note says. */
        if (probe->site_count > 0 &&
            object->sites[object->site_count - 1].address == entries[i].site)
            continue;
        struct counter key = {.address = entries[i].counter};
        const struct counter *counter =
            bsearch(&key, counters, probe->counter_count, sizeof(key), compare_counters);
        object->sites[object->site_count++] = (struct site){
            .address = entries[i].site,
            .arguments = (uint32_t)(*strings - object->strings),
            .counter = (uint32_t)(counter - object->counters),
            .patched = entries[i].format->patched,
        };
        *strings = stpcpy(*strings, entries[i].arguments) + 1;
        probe->site_count++;
    }
}

static int allocate(struct object *object, const struct object_builder *builder)
{
    size_t strings = 0;
    for (size_t i = 0; i < builder->count; i++) {
        const struct entry *entry = &builder->entries[i];
        strings += strlen(entry->arguments) + 1;
        if (i == 0 || entry->name != entry[-1].name)
            strings += strlen(entry->name->shown) + 1;
    }
    if (strings > UINT32_MAX)
        return error_set(builder->reason, EINVAL, "its notes are too large");
    object->probes = calloc(HASH_COUNT(builder->names), sizeof(*object->probes));
    object->sites = calloc(builder->count, sizeof(*object->sites));
    object->counters = calloc(builder->count, sizeof(*object->counters));
    object->strings = malloc(strings);
    return object->probes && object->sites && object->counters && object->strings ? 0 : -ENOMEM;
}

/* Gives back what was allocated for sites and counters that turned out to be the same. */
static void trim(struct object *object)
{
    void *counters =
        reallocarray(object->counters, object->counter_count, sizeof(*object->counters));
    if (counters)
        object->counters = counters;
    if (object->site_count > 0) {
        void *sites = reallocarray(object->sites, object->site_count, sizeof(*object->sites));
        if (sites)
            object->sites = sites;
    }
}

int object_builder_finish(struct object_builder *builder)
{
    if (builder->count == 0)
        return 0;
    int result = find_layouts(builder);
    if (result == 0)
        result = check_counters(builder);
    if (result < 0)
        return result;

    qsort(builder->entries, builder->count, sizeof(*builder->entries), compare_entries);
    struct object *object = builder->object;
    result = allocate(object, builder);
    if (result < 0)
        return result;

    char *strings = object->strings;
    for (size_t i = 0; i < builder->count;) {
        size_t end = i + 1;
        while (end < builder->count && builder->entries[end].name == builder->entries[i].name)
            end++;
        add_probe(object, &builder->entries[i], end - i, &strings);
        i = end;
    }
    trim(object);
    return 0;
}
