/* SPDX-License-Identifier: MIT */
#include "watch/plan-to-watch.h"

#include "object/format.h"
#include "object/symbols.h"
#include "process/memory.h"
#include "shared/array.h"
#include "watch/watched-file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel counts in a signed short, and one number is kept free. */
enum { COUNTER_MOST = 32766 };

/* What tells one site of one probe from all others. */
struct seen_key {
    uint64_t offset;
    uint32_t file, probe;
};

struct watch_seen {
    struct seen_key key;
    uint32_t recipe;
    UT_hash_handle hh;
};

/* A site that is to be watched. */
struct found {
    const struct loaded *loaded;
    uint32_t file, recipe;
    uint64_t offset, reference; /* in the file */
    uint64_t site, semaphore; /* at runtime; a semaphore of 0: none that the kernel can count in */
    uint8_t file_bytes[ARCH_TRAP]; /* those of the site */
};

/* A mapping, and the file of the table that was opened for it. */
struct opened {
    const struct mapping *mapping;
    uint32_t file;
};

struct planner {
    struct probe_target *target;
    struct watch_table *table;
    struct probe_error *error;
    struct found *items;
    size_t count, room;
    struct opened *opened;
    size_t opened_count, opened_room;
    const struct loaded *only; /* see one_by_one of the table */
    struct symbols **symbols;  /* of the table's files, where they were asked for */
    size_t symbols_count, symbols_room;
};

/* ---- files ------------------------------------------------------------------------------ */

static int add_file(struct planner *planner, int fd, uint32_t *file)
{
    struct watch_table *table = planner->table;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    for (uint32_t i = 0; i < table->file_count; i++) {
        if (table->files[i].device == status.st_dev && table->files[i].inode == status.st_ino) {
            close(fd);
            *file = i;
            return 0;
        }
    }
    if (ARRAY_RESERVE(table->files, table->file_room, table->file_count + 1) < 0)
        return -ENOMEM;
    *file = (uint32_t)table->file_count++;
    table->files[*file] = (struct watch_table_file){fd, status.st_dev, status.st_ino};
    return 0;
}

static int open_file(struct planner *planner, const struct mapping *mapping, const char *path,
                     uint32_t *file)
{
    struct probe_target *target = planner->target;
    int fd = image_open_file(target->engine, &target->image, mapping);
    if (fd < 0)
        return error_set(planner->error, -fd, "process %d: cannot open '%s': %s", target->image.pid,
                         path, strerror(-fd));
    int status = watched_file_check(target->engine, &target->image, fd, path, planner->error);
    if (status == 0) {
        status = add_file(planner, fd, file);
        if (status < 0)
            error_set(planner->error, -status, "cannot keep '%s' open: %s", path,
                      strerror(-status));
    }
    if (status < 0)
        close(fd);
    return status;
}

/* The table's file that is mapped at MAPPING. */
static int find_file(struct planner *planner, const struct mapping *mapping, const char *path,
                     uint32_t *file)
{
    for (size_t i = 0; i < planner->opened_count; i++) {
        if (planner->opened[i].mapping == mapping) {
            *file = planner->opened[i].file;
            return 0;
        }
    }
    if (ARRAY_RESERVE(planner->opened, planner->opened_room, planner->opened_count + 1) < 0)
        return error_memory(planner->error);
    int status = open_file(planner, mapping, path, file);
    if (status == 0)
        planner->opened[planner->opened_count++] = (struct opened){mapping, *file};
    return status;
}

/* ---- arguments -------------------------------------------------------------------------- */

/* What the arguments of a site may refer to: symbols of its file. */
struct scope_data {
    struct planner *planner;
    uint32_t file;
};

static struct symbols *find_symbols(struct planner *planner, uint32_t file)
{
    if (ARRAY_RESERVE(planner->symbols, planner->symbols_room, file + 1) < 0)
        return NULL;
    while (planner->symbols_count <= file)
        planner->symbols[planner->symbols_count++] = NULL;
    if (!planner->symbols[file])
        symbols_open(planner->table->files[file].fd, &planner->symbols[file]);
    return planner->symbols[file];
}

static bool find_symbol(void *data, const char *name, size_t length, uint64_t *address)
{
    const struct scope_data *scope = data;
    struct symbols *symbols = find_symbols(scope->planner, scope->file);
    return symbols && symbols_find(symbols, name, length, address) == 0;
}

/* ---- sites ------------------------------------------------------------------------------ */

/*
 * Where the kernel counts itself in, at link time: in the semaphore that the note names. That is
 * what other tracers of the site name as well, and the kernel wants all to agree.
 */
static uint64_t find_semaphore(const struct object *object, const struct site *site,
                               uint64_t *offset)
{
    *offset = 0;
    if (site->counter == SITE_NO_COUNTER)
        return 0;
    const struct counter *counter = &object->counters[site->counter];
    uint64_t address = counter->address - (counter->kernel_counts ? 0 : FORMAT_NAMED_SHIFT);
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        if (segment->writable && address >= segment->address &&
            address - segment->address + sizeof(uint16_t) <= segment->file_size) {
            *offset = segment->offset + (address - segment->address);
            return address;
        }
    }
    return 0;
}

static int grow_recipes(struct watch_table *table)
{
    if (table->recipe_count == WATCH_SITES_MAX ||
        ARRAY_RESERVE(table->recipes, table->recipe_room, table->recipe_count + 1) < 0 ||
        ARRAY_RESERVE(table->formats, table->format_room, table->recipe_count + 1) < 0)
        return -ENOMEM;
    return 0;
}

static void parse_arguments(struct planner *planner, const struct object *object,
                            const struct site *site, uint32_t file, uint32_t probe)
{
    struct watch_table *table = planner->table;
    struct scope_data data = {planner, file};
    const struct watch_scope scope = {site->address, object->is_fixed, find_symbol, &data};
    const char *text = object->strings + site->arguments;
    struct watch_recipe *recipe = &table->recipes[table->recipe_count];
    watch_arguments_parse(text, strlen(text), &scope, recipe, &table->formats[table->recipe_count]);
    recipe->probe = probe;
    table->recipe_count++;
}

/* Remembers the site; false where it was known. */
static int remember_site(struct watch_table *table, const struct seen_key *key)
{
    struct watch_seen *seen = NULL;
    HASH_FIND(hh, table->seen, key, sizeof(*key), seen);
    if (seen)
        return 0;
    seen = calloc(1, sizeof(*seen));
    if (!seen)
        return -ENOMEM;
    seen->key = *key;
    seen->recipe = (uint32_t)table->recipe_count;
    HASH_ADD(hh, table->seen, key, sizeof(seen->key), seen);
    if (seen->hh.tbl)
        return 1;
    free(seen);
    return -ENOMEM;
}

static int append_found(struct planner *planner, const struct found *found)
{
    if (ARRAY_RESERVE(planner->items, planner->room, planner->count + 1) < 0)
        return -ENOMEM;
    planner->items[planner->count++] = *found;
    return 0;
}

/* BYTES are the site's in its file. */
static int plan_site(struct planner *planner, const struct loaded *loaded, const struct site *site,
                     const uint8_t bytes[SITE_LENGTH], uint32_t probe)
{
    const struct object *object = loaded->object;
    struct watch_table *table = planner->table;
    struct found found = {.loaded = loaded, .site = site->address + loaded->bias};
    size_t behind = arch_watch_offset(bytes);
    const struct mapping *mapping = maps_find(&planner->target->maps, found.site);
    if (!mapping || mapping->inode != loaded->inode || mapping->device != loaded->device)
        return error_set(planner->error, EOPNOTSUPP,
                         "process %d: the code of '%s' at 0x%" PRIx64 " is a copy in other memory, "
                         "which the kernel does not watch",
                         planner->target->image.pid, loaded->path, found.site);
    int status = find_file(planner, mapping, loaded->path, &found.file);
    if (status < 0)
        return status;
    found.site += behind;
    memcpy(found.file_bytes, bytes + behind, arch_trap_length);
    found.offset = object_file_offset(object, site->address) + behind;
    struct seen_key key = {found.offset, found.file, probe};
    status = grow_recipes(table);
    if (status == 0)
        status = remember_site(table, &key);
    if (status <= 0)
        return status == 0 ? 0 : error_memory(planner->error);
    planner->only = table->one_by_one ? loaded : NULL;
    found.recipe = (uint32_t)table->recipe_count;
    found.semaphore = find_semaphore(object, site, &found.reference);
    if (found.semaphore)
        found.semaphore += loaded->bias;
    parse_arguments(planner, object, site, found.file, probe);
    return append_found(planner, &found) < 0 ? error_memory(planner->error) : 0;
}

static void free_probe(struct watch_probe *probe)
{
    if (probe)
        free(probe->name);
    free(probe);
}

/* The table's number of the probe NAME, which is added where it is new. */
static int find_probe(struct watch_table *table, const char *name, uint32_t *number)
{
    struct watch_probe *probe = NULL;
    HASH_FIND_STR(table->by_name, name, probe);
    if (probe) {
        *number = probe->number;
        return 0;
    }
    if (ARRAY_RESERVE(table->probes, table->probe_room, table->probe_count + 1) < 0)
        return -ENOMEM;
    probe = calloc(1, sizeof(*probe));
    if (!probe || !(probe->name = strdup(name))) {
        free_probe(probe);
        return -ENOMEM;
    }
    probe->number = (uint32_t)table->probe_count;
    HASH_ADD_KEYPTR(hh, table->by_name, probe->name, strlen(probe->name), probe);
    if (!probe->hh.tbl) {
        free_probe(probe);
        return -ENOMEM;
    }
    *number = probe->number;
    table->probes[table->probe_count++] = probe;
    return 0;
}

/* Whom to blame if the plan fails now, or cannot be attached. */
static void blame(struct planner *planner, const struct loaded *loaded, size_t objects)
{
    struct watch_blamed *blamed = &planner->table->blamed;
    blamed->file = (struct file_id){loaded->device, loaded->inode};
    snprintf(blamed->path, sizeof(blamed->path), "%s", loaded->path);
    blamed->objects = objects;
}

static bool is_left_out(const struct watch_table *table, const struct loaded *loaded)
{
    for (size_t i = 0; i < table->left_out_count; i++) {
        if (table->left_out[i].device == loaded->device &&
            table->left_out[i].inode == loaded->inode)
            return true;
    }
    return false;
}

/* Is an object's turn to be planned? */
static bool has_turn(struct planner *planner, const struct loaded *loaded)
{
    if (is_left_out(planner->table, loaded))
        return false;
    if (!planner->only || planner->only == loaded)
        return true;
    planner->table->is_partial = true;
    return false;
}

static int plan_part(struct planner *planner, const struct part *part, uint32_t number)
{
    struct probe_target *target = planner->target;
    const struct object *object = part->loaded->object;
    uint32_t first = part->probe->first_site;
    const uint8_t(*bytes)[SITE_LENGTH] = NULL;
    if (!target_verify_file(target, part->loaded))
        return error_set(planner->error, EAGAIN, "process %d: the file of '%s' was replaced",
                         target->image.pid, part->loaded->path);
    int status = target_site_bytes(target, part->loaded, &bytes, planner->error);
    for (uint32_t s = first; s < first + part->probe->site_count && status == 0; s++)
        status = plan_site(planner, part->loaded, &object->sites[s], bytes[s], number);
    if (status < 0)
        blame(planner, part->loaded, 1);
    return status;
}

static int plan_probe(struct planner *planner, size_t index)
{
    struct probe_target *target = planner->target;
    const struct target_probe *probe = &target->probes[index];
    uint32_t number = 0;
    if (find_probe(planner->table, target_probe_name(target, probe), &number) < 0)
        return error_memory(planner->error);
    int status = 0;
    for (uint32_t p = 0; p < probe->part_count && status == 0; p++) {
        const struct part *part = &target->parts[probe->first_part + p];
        if (has_turn(planner, part->loaded))
            status = plan_part(planner, part, number);
    }
    return status;
}

/* ---- what is there now ------------------------------------------------------------------ */

static int compare_semaphores(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    return x->semaphore < y->semaphore ? -1 : x->semaphore > y->semaphore;
}

static const char *probe_name(const struct watch_table *table, uint32_t recipe)
{
    return table->probes[table->recipes[recipe].probe]->name;
}

/* What a process has where an item is. */
struct there {
    uint16_t value; /* of its semaphore */
    uint8_t bytes[ARCH_TRAP];
};

/*
 * The kernel adds 1 for each site, unless somebody watches it already. THERE is of the items, which
 * are sorted by semaphore.
 */
static int check_room(struct planner *planner, const struct there *there)
{
    for (size_t i = 0, end = 0; i < planner->count; i = end) {
        size_t added = 0;
        const struct found *first = &planner->items[i];
        for (end = i; end < planner->count && planner->items[end].semaphore == first->semaphore;
             end++)
            added += !arch_has_uprobe(there[end].bytes, planner->items[end].file_bytes);
        if (first->semaphore && added > 0 && there[i].value + added > COUNTER_MOST) {
            blame(planner, first->loaded, 1);
            return error_set(planner->error, ERANGE,
                             "process %d: the semaphore of '%s' is %u, and watching it would take "
                             "it beyond what the kernel can count",
                             planner->target->image.pid, probe_name(planner->table, first->recipe),
                             there[i].value);
        }
    }
    return 0;
}

/* Reads all semaphores, and what is at each site. */
static int touch_pages(struct planner *planner)
{
    struct memory_piece *pieces = calloc(2 * planner->count + 1, sizeof(*pieces));
    struct there *there = calloc(planner->count + 1, sizeof(*there));
    int status = pieces && there ? 0 : error_memory(planner->error);
    size_t used = 0;
    if (planner->count > 0)
        qsort(planner->items, planner->count, sizeof(*planner->items), compare_semaphores);
    for (size_t i = 0; i < planner->count && status == 0; i++) {
        const struct found *found = &planner->items[i];
        pieces[used++] = (struct memory_piece){found->site, arch_trap_length, there[i].bytes};
        if (found->semaphore)
            pieces[used++] = (struct memory_piece){found->semaphore, sizeof(there[i].value),
                                                   (uint8_t *)&there[i].value};
    }
    if (status == 0)
        status = memory_read(&planner->target->image, pieces, used, planner->error);
    if (status == 0)
        status = check_room(planner, there);
    free(pieces);
    free(there);
    return status;
}

/* ---- the plan --------------------------------------------------------------------------- */

static int compare_offsets(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->recipe < y->recipe ? -1 : x->recipe > y->recipe;
}

/* Are both in one place? A linker that folds functions which do the same (--icf=all) makes that. */
static bool is_same_place(const struct found *a, const struct found *b)
{
    return a->file == b->file && a->offset == b->offset;
}

static void fill_plan(struct planner *planner, struct watch_plan *plan)
{
    if (planner->count > 0)
        qsort(planner->items, planner->count, sizeof(*planner->items), compare_offsets);
    for (size_t i = 0; i < planner->count; i++) {
        const struct found *found = &planner->items[i];
        if (i == 0 || found->file != found[-1].file)
            plan->files[plan->file_count++] = (struct watch_file){
                .fd = planner->table->files[found->file].fd,
                .first = i,
            };
        plan->files[plan->file_count - 1].count++;
        plan->offsets[i] = found->offset;
        /* The kernel has one semaphore for a place: that of its first probe. */
        plan->references[i] =
            i > 0 && is_same_place(found - 1, found) ? plan->references[i - 1] : found->reference;
        plan->cookies[i] = found->recipe - plan->first_recipe;
    }
    plan->site_count = planner->count;
}

static int make_plan(struct planner *planner, size_t recipes_before, size_t probes_before,
                     struct watch_plan *result)
{
    struct watch_plan plan = {
        .pid = planner->target->image.pid,
        .tid = planner->target->image.tid,
        .files = calloc(planner->table->file_count + 1, sizeof(*plan.files)),
        .offsets = calloc(planner->count + 1, sizeof(*plan.offsets)),
        .references = calloc(planner->count + 1, sizeof(*plan.references)),
        .cookies = calloc(planner->count + 1, sizeof(*plan.cookies)),
    };
    if (!plan.files || !plan.offsets || !plan.references || !plan.cookies) {
        watch_plan_done(&plan);
        return error_memory(planner->error);
    }
    plan.probes_before = probes_before;
    plan.first_recipe = recipes_before;
    fill_plan(planner, &plan);
    *result = plan;
    return 0;
}

void watch_plan_done(struct watch_plan *plan)
{
    free(plan->files);
    free(plan->offsets);
    free(plan->references);
    free(plan->cookies);
    *plan = (struct watch_plan){0};
}

/* ---- the table -------------------------------------------------------------------------- */

/* Forgets what was added behind COUNT recipes and PROBES. */
static void cut_table(struct watch_table *table, size_t count, size_t probes)
{
    struct watch_seen *seen = NULL;
    struct watch_seen *next = NULL;
    HASH_ITER (hh, table->seen, seen, next) {
        if (seen->recipe < count)
            continue;
        HASH_DEL(table->seen, seen);
        free(seen);
    }
    table->recipe_count = count;
    while (table->probe_count > probes) {
        struct watch_probe *probe = table->probes[--table->probe_count];
        HASH_DEL(table->by_name, probe);
        free_probe(probe);
    }
}

void watch_plan_revoke(const struct watch_plan *plan, struct watch_table *table)
{
    cut_table(table, table->recipe_count - plan->site_count, plan->probes_before);
}

void watch_table_done(struct watch_table *table)
{
    cut_table(table, 0, 0);
    for (size_t i = 0; i < table->file_count; i++)
        close(table->files[i].fd);
    free(table->files);
    free(table->recipes);
    free(table->formats);
    free(table->probes);
    free(table->left_out);
    *table = (struct watch_table){0};
}

int watch_table_leave_out(struct watch_table *table, const struct file_id *file)
{
    if (ARRAY_RESERVE(table->left_out, table->left_out_room, table->left_out_count + 1) < 0)
        return -ENOMEM;
    table->left_out[table->left_out_count++] = *file;
    return 0;
}

/* Whose sites does the plan have? */
static void blame_planned(struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct loaded *loaded = planner->items[i].loaded;
        if (i == 0)
            blame(planner, loaded, 1);
        else if (loaded != planner->items[0].loaded)
            planner->table->blamed.objects = 2;
    }
}

int watch_plan_make(struct probe_target *target, const size_t *indices, size_t count,
                    struct watch_table *table, struct watch_plan *plan, struct probe_error *error)
{
    struct planner planner = {.target = target, .table = table, .error = error};
    size_t recipes = table->recipe_count;
    size_t probes = table->probe_count;
    int status = 0;
    table->is_partial = false;
    table->blamed.objects = 0;
    for (size_t i = 0; i < count && status == 0; i++)
        status = plan_probe(&planner, indices ? indices[i] : i);
    if (status == 0)
        status = touch_pages(&planner);
    if (status == 0)
        status = target_check(target, error);
    if (status == 0) {
        blame_planned(&planner);
        status = make_plan(&planner, recipes, probes, plan);
    }
    if (status < 0 && target_check(target, NULL) == -ESRCH) /* what has ended has no files */
        status = error_gone(error, target->image.pid);
    if (status < 0)
        cut_table(table, recipes, probes);
    for (size_t i = 0; i < planner.symbols_count; i++)
        symbols_close(planner.symbols[i]);
    free(planner.symbols);
    free(planner.opened);
    free(planner.items);
    return status;
}
