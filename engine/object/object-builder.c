/* SPDX-License-Identifier: MIT */
/*
 * How notes become probes:
 *
 *   1. A note that its format and the object allow is kept; any other is left out, and counted.
 *   2. `ocaml` notes do not tell their layout; one pass over the symbols does.
 *   3. Notes without a nop at their site are dropped, and names whose notes contradict each other.
 *   4. The notes are sorted by name and site. Each run of one name becomes a probe, with the
 *      distinct sites and counters of its notes; those without a semaphore make one of their own.
 *
 * Surprises: one name may have notes of several formats; the same note may stand there twice (units
 * that inlined one function); a name may have as many counters as sites.
 */
#include "object/object-builder.h"

#include "object/file-pieces.h"
#include "object/format.h"
#include "names/name.h"
#include "object/left-out.h"
#include "object/note-fit.h"
#include "object/note.h"
#include "shared/array.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A name that probes of the object are shown under. */
struct shown_name {
    char *shown;
    const char *plain;       /* as the notes give it */
    uint64_t only_semaphore; /* for formats that have one for each name */
    bool contradicts;        /* its notes have two, so it is left out */
    UT_hash_handle hh;
};

/* A note that is kept. */
struct kept_note {
    struct shown_name *name;
    const struct format *format;
    uint64_t site, semaphore, counter;
    const char *arguments;
};

struct builder {
    struct object *object;
    struct elf_file *file;
    const char *const *reserved; /* see name_show() */
    struct shown_name *names;    /* by shown name */
    struct kept_note *notes;
    size_t count, room;
    struct left_out left_out;
};

static void builder_done(struct builder *builder)
{
    struct shown_name *name = NULL;
    struct shown_name *next = NULL;
    HASH_ITER (hh, builder->names, name, next) {
        HASH_DEL(builder->names, name);
        free(name->shown);
        free(name);
    }
    free(builder->notes);
}

/* ---- 1. which notes are kept ------------------------------------------------------------ */

static void show_name(const struct builder *builder, const struct note *note,
                      const struct format *format, char shown[NAME_LENGTH + 1])
{
    name_show(format->prefixed ? note->provider : NULL, note->name, builder->reserved, shown);
}

static void leave_out(struct builder *builder, enum left_out_reason reason, const struct note *note,
                      const struct format *format)
{
    char shown[NAME_LENGTH + 1];
    if (!left_out_count(&builder->left_out, reason))
        return;
    show_name(builder, note, format, shown);
    if (reason == LEFT_OUT_SEMAPHORE)
        left_out_example(&builder->left_out, reason, shown, " with a semaphore at 0x%" PRIx64,
                         note->semaphore);
    else
        left_out_example(&builder->left_out, reason, shown, " with a site at 0x%" PRIx64,
                         note->site);
}

static int find_name(struct builder *builder, const struct note *note, const struct format *format,
                     struct shown_name **result)
{
    char shown[NAME_LENGTH + 1];
    struct shown_name *name = NULL;
    show_name(builder, note, format, shown);
    HASH_FIND_STR(builder->names, shown, name);
    if (!name) {
        name = calloc(1, sizeof(*name));
        if (!name || !(name->shown = strdup(shown))) {
            free(name);
            return -ENOMEM;
        }
        name->plain = note->name;
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

static void compare_semaphores(struct builder *builder, struct shown_name *name, uint64_t semaphore)
{
    const enum left_out_reason reason = LEFT_OUT_TWO_SEMAPHORES;
    if (name->only_semaphore == 0)
        name->only_semaphore = semaphore;
    if (name->only_semaphore == semaphore || name->contradicts)
        return;
    name->contradicts = true;
    if (left_out_count(&builder->left_out, reason))
        left_out_example(&builder->left_out, reason, name->shown,
                         " with 0x%" PRIx64 " and 0x%" PRIx64, name->only_semaphore, semaphore);
}

static int keep_note(struct builder *builder, const struct note *note, const struct format *format)
{
    struct shown_name *name = NULL;
    int status = find_name(builder, note, format, &name);
    if (status < 0 || ARRAY_RESERVE(builder->notes, builder->room, builder->count + 1) < 0)
        return -ENOMEM;
    if (format->one_semaphore)
        compare_semaphores(builder, name, note->semaphore);
    builder->notes[builder->count++] = (struct kept_note){
        .name = name,
        .format = format,
        .site = note->site,
        .semaphore = note->semaphore,
        .counter = note->semaphore + format->counter_shift,
        .arguments = note->arguments,
    };
    return 0;
}

/* A visitor for elf_file_notes(). Errors: ENOMEM. */
static int judge_note(void *data, const void *description, size_t length)
{
    struct builder *builder = data;
    struct note note;
    if (note_parse(description, length, &note) < 0) {
        left_out_count(&builder->left_out, LEFT_OUT_CUT_SHORT);
        return 0;
    }
    note_shift(&note, elf_file_base(builder->file));
    const struct format *format = format_find(note.provider);
    enum left_out_reason reason = LEFT_OUT_REASONS;
    if (note.name[0] == '\0')
        reason = LEFT_OUT_NO_NAME;
    else if (!note_fit_site(builder->object, builder->file, note.site, format))
        reason = LEFT_OUT_SITE;
    else if (format->patched && note.site && !arch_patches_sites)
        reason = LEFT_OUT_PATCHED;
    else if (note.semaphore == 0 && format->needs_semaphore)
        reason = LEFT_OUT_NO_SEMAPHORE;
    else if (note.semaphore != 0 &&
             !note_fit_counter(builder->object, builder->file, note.semaphore,
                               note.semaphore + format->counter_shift))
        reason = LEFT_OUT_SEMAPHORE;
    if (reason == LEFT_OUT_REASONS)
        return keep_note(builder, &note, format);
    leave_out(builder, reason, &note, format);
    return 0;
}

/* ---- 2. layouts ------------------------------------------------------------------------- */

static int compare_symbols(const void *a, const void *b)
{
    const struct elf_symbol *x = a;
    const struct elf_symbol *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Finds which notes of formats with two layouts are of the later one: only the symbols tell. */
static int find_layouts(struct builder *builder)
{
    struct elf_symbol *symbols = calloc(builder->count + 1, sizeof(*symbols));
    if (!symbols)
        return -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < builder->count; i++) {
        const struct kept_note *note = &builder->notes[i];
        if (note->format->named_layout)
            symbols[count++] = (struct elf_symbol){.address = note->semaphore,
                                                   .prefix = FORMAT_NAMED_SYMBOL,
                                                   .name = note->name->plain};
    }
    qsort(symbols, count, sizeof(*symbols), compare_symbols);
    int result = count ? elf_file_symbols(builder->file, symbols, count) : 0;
    for (size_t i = 0; i < builder->count && count && result == 0; i++) {
        struct kept_note *note = &builder->notes[i];
        struct elf_symbol key = {.address = note->semaphore, .name = note->name->plain};
        if (!note->format->named_layout)
            continue;
        const struct elf_symbol *symbol =
            bsearch(&key, symbols, count, sizeof(*symbols), compare_symbols);
        if (symbol && symbol->found)
            note->counter = note->semaphore + FORMAT_NAMED_SHIFT;
    }
    free(symbols);
    return result;
}

/* ---- 3. what is dropped once all notes are known ----------------------------------------- */

/*
 * Code that a linker dropped may have been so long that a place in it is an address in other code.
 * So the sites that are not checked before each write are looked at here. Marks those notes that
 * are to be dropped by a NULL for their name. Errors: ENOMEM; EIO.
 */
static int check_nops(struct builder *builder)
{
    struct file_piece *pieces = calloc(builder->count + 1, sizeof(*pieces));
    uint8_t(*bytes)[SITE_LENGTH] = calloc(builder->count + 1, sizeof(*bytes));
    int status = pieces && bytes ? 0 : -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < builder->count && status == 0; i++) {
        const struct kept_note *note = &builder->notes[i];
        if (!note->format->patched && note->site)
            pieces[count++] =
                (struct file_piece){object_file_offset(builder->object, note->site), i};
    }
    if (count > 0 && status == 0)
        status = elf_file_read_pieces(builder->file, pieces, count, bytes);
    for (size_t i = 0; i < builder->count && status == 0; i++) {
        struct kept_note *note = &builder->notes[i];
        if (note->format->patched || !note->site || arch_is_nop(bytes[i]))
            continue;
        if (left_out_count(&builder->left_out, LEFT_OUT_NO_NOP))
            left_out_example(&builder->left_out, LEFT_OUT_NO_NOP, note->name->shown,
                             " with a site at 0x%" PRIx64, note->site);
        note->name = NULL;
    }
    free(pieces);
    free(bytes);
    return status;
}

/* Is it to be dropped: for its site, its name, or as its layout moved the counter out of the data?
 */
static bool is_dropped(struct builder *builder, const struct kept_note *note)
{
    if (!note->name || note->name->contradicts)
        return true;
    if (note->semaphore == 0) {
        if (left_out_count(&builder->left_out, LEFT_OUT_WATCH_ONLY))
            left_out_example(&builder->left_out, LEFT_OUT_WATCH_ONLY, note->name->shown, "%s", "");
        return false;
    }
    if (note_fit_counter(builder->object, builder->file, note->semaphore, note->counter))
        return false;
    if (left_out_count(&builder->left_out, LEFT_OUT_SEMAPHORE))
        left_out_example(&builder->left_out, LEFT_OUT_SEMAPHORE, note->name->shown,
                         " with a semaphore at 0x%" PRIx64, note->semaphore);
    return true;
}

static int drop_notes(struct builder *builder)
{
    int status = check_nops(builder);
    size_t kept = 0;
    for (size_t i = 0; i < builder->count && status == 0; i++) {
        if (!is_dropped(builder, &builder->notes[i]))
            builder->notes[kept++] = builder->notes[i];
    }
    builder->count = kept;
    return status;
}

/* ---- 4. probes -------------------------------------------------------------------------- */

static int compare_notes(const void *a, const void *b)
{
    const struct kept_note *x = a;
    const struct kept_note *y = b;
    if (x->name != y->name)
        return strcmp(x->name->shown, y->name->shown);
    if ((x->semaphore == 0) != (y->semaphore == 0))
        return x->semaphore == 0 ? 1 : -1;
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

static bool are_of_one_probe(const struct kept_note *a, const struct kept_note *b)
{
    return a->name == b->name && (a->semaphore == 0) == (b->semaphore == 0);
}

/* Makes a run of notes of one name the next probe of the object. */
static void append_probe(struct object *object, const struct kept_note *notes, size_t count,
                         char **strings)
{
    struct object_probe *probe = &object->probes[object->probe_count++];
    struct counter *counters = &object->counters[object->counter_count];
    /* All of them have a counter, or none. */
    size_t counter_count = notes[0].semaphore ? count : 0;
    for (size_t i = 0; i < counter_count; i++)
        counters[i] = (struct counter){
            .address = notes[i].counter,
            .kernel_counts = notes[i].counter == notes[i].semaphore,
        };
    *probe = (struct object_probe){
        .name = *strings,
        .first_site = (uint32_t)object->site_count,
        .first_counter = (uint32_t)object->counter_count,
        .counter_count = (uint32_t)sort_counters(counters, counter_count),
    };
    object->switchable_count += counter_count > 0;
    *strings = stpcpy(*strings, notes[0].name->shown) + 1;
    object->counter_count += probe->counter_count;

    for (size_t i = 0; i < count; i++) {
        if (notes[i].site == 0)
            continue;
        /* Another note on the same instruction adds nothing. */
        if (probe->site_count > 0 && object->sites[object->site_count - 1].address == notes[i].site)
            continue;
        struct counter key = {.address = notes[i].counter};
        const struct counter *counter =
            bsearch(&key, counters, probe->counter_count, sizeof(key), compare_counters);
        object->sites[object->site_count++] = (struct site){
            .address = notes[i].site,
            .arguments = (uint32_t)(*strings - object->strings),
            .counter = counter ? (uint32_t)(counter - object->counters) : SITE_NO_COUNTER,
            .patched = notes[i].format->patched,
        };
        *strings = stpcpy(*strings, notes[i].arguments) + 1;
        probe->site_count++;
    }
}

static int make_room_for_probes(struct object *object, const struct builder *builder)
{
    size_t strings = 0;
    size_t probes = 0;
    for (size_t i = 0; i < builder->count; i++) {
        const struct kept_note *note = &builder->notes[i];
        strings += strlen(note->arguments) + 1;
        if (i > 0 && are_of_one_probe(&note[0], &note[-1]))
            continue;
        strings += strlen(note->name->shown) + 1;
        probes++;
    }
    /* Their offsets have 32 bits: elf_file_notes() gives less than 256 MiB of notes. */
    object->probes = calloc(probes, sizeof(*object->probes));
    object->sites = calloc(builder->count, sizeof(*object->sites));
    object->counters = calloc(builder->count, sizeof(*object->counters));
    object->strings = malloc(strings);
    return object->probes && object->sites && object->counters && object->strings ? 0 : -ENOMEM;
}

/* Gives back the room for sites and counters that turned out to be the same. */
static void give_back_room(struct object *object)
{
    if (object->counter_count > 0) {
        void *counters =
            reallocarray(object->counters, object->counter_count, sizeof(*object->counters));
        if (counters)
            object->counters = counters;
    }
    if (object->site_count > 0) {
        void *sites = reallocarray(object->sites, object->site_count, sizeof(*object->sites));
        if (sites)
            object->sites = sites;
    }
}

/* A note without a semaphore adds nothing where one of its name with a semaphore has the site. */
static void drop_repeated_sites(struct builder *builder)
{
    size_t kept = 0;
    size_t first = 0; /* kept note of the name, */
    size_t end = 0;   /* and the end of those with a semaphore */
    for (size_t i = 0; i < builder->count; i++) {
        const struct kept_note note = builder->notes[i];
        if (kept == 0 || builder->notes[first].name != note.name)
            first = end = kept;
        while (note.semaphore == 0 && first < end && builder->notes[first].site < note.site)
            first++;
        if (note.semaphore == 0 && first < end && builder->notes[first].site == note.site)
            continue;
        builder->notes[kept++] = note;
        if (note.semaphore)
            end = kept;
    }
    builder->count = kept;
}

static int make_probes(struct builder *builder)
{
    struct object *object = builder->object;
    qsort(builder->notes, builder->count, sizeof(*builder->notes), compare_notes);
    drop_repeated_sites(builder);
    int status = make_room_for_probes(object, builder);
    if (status < 0)
        return status;
    char *strings = object->strings;
    for (size_t i = 0; i < builder->count;) {
        size_t end = i + 1;
        while (end < builder->count && are_of_one_probe(&builder->notes[end], &builder->notes[i]))
            end++;
        append_probe(object, &builder->notes[i], end - i, &strings);
        i = end;
    }
    give_back_room(object);
    return 0;
}

int object_build(struct object *object, struct elf_file *file, const char *const *reserved)
{
    struct builder builder = {.object = object, .file = file, .reserved = reserved};
    int status =
        elf_file_notes(file, judge_note, &builder, &builder.left_out.counts[LEFT_OUT_REST]);
    if (status == 0)
        status = find_layouts(&builder);
    if (status == 0)
        status = drop_notes(&builder);
    if (status == 0 && builder.count > 0)
        status = make_probes(&builder);
    if (status == 0)
        status = left_out_tell(&builder.left_out, object);
    builder_done(&builder);
    return status;
}
