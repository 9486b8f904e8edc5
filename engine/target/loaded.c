/* SPDX-License-Identifier: MIT */
/*
 * An object is loaded at bias B if each of its segments is mapped from its file at B, and some of
 * its code is executable. Each mapping that holds the first page of a segment suggests a bias,
 * which is then checked against all segments: a file mapped as data has the same contents in
 * memory, but not where its program headers want them.
 *
 * Surprises: mprotect splits a segment into many mappings; code may be in anonymous memory (text
 * copied to huge pages); one file can be loaded twice (dlmopen); two segments can share a page of
 * the file.
 */
#include "target/loaded.h"

#include "names/emulator.h"
#include "names/name.h"
#include "shared/array.h"
#include "target/copied-code.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The mappings of one file, as indices into maps. */
struct file_maps {
    const struct maps *maps;
    const size_t *indices;
    size_t count;
};

static const struct mapping *file_map(const struct file_maps *file, size_t i)
{
    return &file->maps->items[file->indices[i]];
}

static bool is_copied_text(const struct mapping *mapping)
{
    return mapping_is_anonymous(mapping) && mapping->executable && !mapping->shared;
}

/* May MAPPING hold a copy of code of the file? See copied-code.h. */
static bool may_be_copy(const struct file_maps *file, const struct mapping *mapping)
{
    const struct mapping *first = file_map(file, 0);
    return mapping->executable && !mapping_is_of(mapping, first->device, first->inode);
}

static bool segment_is_at(const struct file_maps *file, const struct segment *segment,
                          uint64_t bias)
{
    const struct mapping *first = file_map(file, 0);
    uint64_t address = maps_page_of(segment->address) + bias;
    const struct mapping *mapping = maps_find(file->maps, address);
    if (!mapping)
        return false;
    if (segment->executable && may_be_copy(file, mapping))
        return true; /* if it is shared, that is found later */
    if (mapping->shared)
        return false;
    return mapping_is_of(mapping, first->device, first->inode) &&
           mapping->offset + (address - mapping->start) == maps_page_of(segment->offset);
}

/* Is any page of the segment executable? After mprotect, the first mapping alone need not be. */
static bool has_code_at(const struct file_maps *file, const struct segment *segment, uint64_t bias)
{
    uint64_t start = segment->address + bias;
    uint64_t end = start + segment->memory_size;
    const struct mapping *mapping = maps_find(file->maps, maps_page_of(start));
    const struct mapping *behind = file->maps->items + file->maps->count;
    for (; mapping && mapping < behind && mapping->start < end; mapping++) {
        if (mapping->executable)
            return true;
    }
    return false;
}

static bool is_loaded_at(const struct file_maps *file, const struct object *object, uint64_t bias)
{
    bool code = false;
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        if (segment->file_size > 0 && !segment_is_at(file, segment, bias))
            return false;
        code = code || (segment->executable && has_code_at(file, segment, bias));
    }
    return code;
}

static int list_add(struct loaded_list *list, const struct loaded *loaded)
{
    if (ARRAY_RESERVE(list->items, list->room, list->count + 1) < 0)
        return -ENOMEM;
    list->items[list->count++] = *loaded;
    return 0;
}

static bool has_bias(const struct loaded_list *list, size_t from, uint64_t bias)
{
    for (size_t i = from; i < list->count; i++) {
        if (list->items[i].bias == bias)
            return true;
    }
    return false;
}

/* The bias that MAPPING suggests, if it holds the first page of SEGMENT. */
static bool guess_bias(const struct mapping *mapping, const struct segment *segment, uint64_t *bias)
{
    uint64_t offset = maps_page_of(segment->offset);
    if (mapping->shared || segment->file_size == 0 || offset < mapping->offset ||
        offset - mapping->offset >= mapping->end - mapping->start)
        return false;
    *bias = mapping->start + (offset - mapping->offset) - maps_page_of(segment->address);
    return true;
}

struct search {
    const struct probe_engine *engine;
    const struct probe_image *image;
    const struct timespec *until;
    loaded_teller *tell;
    void *data;
    struct loaded_list *list;
};

static int add_at(const struct search *search, const struct file_maps *file, struct object *object,
                  uint64_t bias)
{
    const struct mapping *first = file_map(file, 0);
    char plain[PATH_MAX];
    char path[PATH_MAX];
    size_t length = image_mapping_path(search->engine, search->image, first, plain, sizeof(plain));
    text_escape(plain, length, true, path, sizeof(path));
    struct loaded loaded = {
        .object = object,
        .bias = bias,
        .device = first->device,
        .inode = first->inode,
        .verified = true,
        .path = strdup(path),
    };
    int status = loaded.path ? list_add(search->list, &loaded) : -ENOMEM;
    if (status < 0)
        free(loaded.path);
    return status;
}

/* Finds each bias that the object is loaded at. */
static int find_biases(const struct search *search, const struct file_maps *file,
                       struct object *object)
{
    const struct loaded_list *list = search->list;
    size_t from = list->count;
    for (size_t m = 0; m < file->count; m++) {
        for (size_t s = 0; s < object->segment_count; s++) {
            uint64_t bias = 0;
            if (!guess_bias(file_map(file, m), &object->segments[s], &bias) ||
                (object->is_fixed && bias != 0) || has_bias(list, from, bias) ||
                !is_loaded_at(file, object, bias))
                continue;
            int status = add_at(search, file, object, bias);
            if (status < 0)
                return status;
        }
    }
    return 0;
}

/* Does MAPPING hold code of LOADED? */
static bool is_code_of(const struct loaded *loaded, const struct mapping *mapping)
{
    const struct object *object = loaded->object;
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        uint64_t start = segment->address + loaded->bias;
        if (segment->executable && mapping->end > maps_page_of(start) &&
            mapping->start < start + segment->memory_size)
            return true;
    }
    return false;
}

/* Is there code of the file that belongs to none of the objects in LIST from FROM on? */
static bool has_stray_code(const struct file_maps *file, const struct loaded_list *list,
                           size_t from)
{
    for (size_t m = 0; m < file->count; m++) {
        bool found = !file_map(file, m)->executable;
        for (size_t i = from; i < list->count && !found; i++)
            found = is_code_of(&list->items[i], file_map(file, m));
        if (!found)
            return true;
    }
    return false;
}

/* Do its mappings allow this file to be a loaded object? */
static bool may_be_object(const struct file_maps *file)
{
    const struct mapping *first = file_map(file, 0);
    const struct mapping *last = file_map(file, file->count - 1);
    for (size_t i = 0; i < file->count; i++) {
        if (file_map(file, i)->executable)
            return true;
    }
    /* All its code may have been copied elsewhere. */
    for (const struct mapping *m = first; m <= last; m++) {
        if (m->executable)
            return true;
    }
    return false;
}

static bool is_deleted(const struct mapping *mapping)
{
    static const char mark[] = " (deleted)";
    size_t length = strlen(mapping->path);
    return length >= strlen(mark) && strcmp(mapping->path + length - strlen(mark), mark) == 0;
}

/*
 * Gets the object in the file FD, of PATH, which is closed; IS_PROGRAM: of the image's program, as
 * far as that matters.
 */
static int get_object(const struct search *search, int fd, const char *path, struct object **object,
                      bool *new, bool *is_program, struct probe_error *reason)
{
    struct stat file;
    int status = object_cache_get(search->engine->cache, fd, search->until, object, new, reason);
    bool matters = status == 0 && ((*object)->probe_count > 0 || (*object)->watch_only ||
                                   (*object)->is_32_bit || emulator_is_name(path));
    *is_program =
        matters && fstat(fd, &file) == 0 && image_is_program(search->engine, search->image, &file);
    close(fd);
    return status;
}

static void tell_problem(const struct search *search, const struct file_maps *file,
                         const char *predicate, bool is_new)
{
    search->tell(search->data, &(struct loaded_problem){.path = file_map(file, 0)->path,
                                                        .predicate = predicate,
                                                        .is_new = is_new});
}

/*
 * Tells of probes without a semaphore. They are nothing that one misses in a library, as the C
 * library has some: unless the process has no other probe.
 */
static void tell_watch_only(const struct search *search, const struct file_maps *file,
                            const struct object *object, bool is_program)
{
    search->tell(search->data, &(struct loaded_problem){
                                   .path = file_map(file, 0)->path,
                                   .predicate = object->watch_only,
                                   .reason = PROBE_REASON_WATCH_ONLY,
                                   .minor = object->switchable_count == 0 && !is_program,
                               });
}

static void tell_unused(const struct search *search, const struct file_maps *file,
                        const char *reason)
{
    struct probe_error predicate;
    error_set(&predicate, 0, "is not used: %s", reason);
    tell_problem(search, file, predicate.text, false);
}

/* Tells what is not shown of the object. */
static void tell_left_out(const struct search *search, const struct file_maps *file,
                          const struct object *object, bool is_new, bool is_program)
{
    for (size_t i = 0; i < object->problem_count; i++)
        tell_problem(search, file, object->problems[i], is_new);
    if (object->watch_only && !search->engine->options.all)
        tell_watch_only(search, file, object, is_program);
    if (object->is_32_bit && is_program)
        tell_problem(search, file, "is a program of 32 bits, whose probes are not shown", is_new);
    if (is_program && emulator_is_name(file_map(file, 0)->path))
        tell_problem(search, file,
                     "runs a program of another processor, whose probes are not shown", is_new);
}

/*
 * Looks at code that is not mapped from the objects' files, of those in the list from FROM on, and
 * drops those whose code it cannot be, or is shared. An object that reaches over the code of
 * others, and has some of its own, stays: what lies in the others' is refused when it is to be
 * written. Errors: ENOMEM.
 */
static int check_copies(const struct search *search, const struct file_maps *file, size_t from)
{
    struct loaded_list *list = search->list;
    int status = 0;
    for (size_t i = from; i < list->count && status == 0;) {
        struct copied_code code;
        struct loaded *loaded = &list->items[i];
        status = copied_code_find(search->engine, search->image, file->maps, loaded, &code);
        list->partial |= code.any;
        list->unchecked |= code.unchecked;
        if (code.shared)
            tell_problem(search, file,
                         "has probes that are not shown, as its code is in a shared mapping: "
                         "writing there would change what other processes run",
                         false);
        else if (code.foreign && !code.own)
            tell_problem(search, file,
                         "has probes that are not shown, as other code is in the place of its own",
                         false);
        if (code.shared || (code.foreign && !code.own)) {
            free(loaded->path);
            list->items[i] = list->items[--list->count];
        } else {
            i++;
        }
    }
    return status;
}

/* An object that is not loaded as objects are, but is there: is it because a mapping is shared? */
static void tell_shared(const struct search *search, const struct file_maps *file)
{
    for (size_t i = 0; i < file->count; i++) {
        if (!file_map(file, i)->shared)
            continue;
        tell_problem(search, file,
                     "has probes that are not shown, as it is mapped shared: writing to it would "
                     "change the file",
                     false);
        return;
    }
}

/* Does the failure say nothing of the file, and all of this moment? */
static bool is_for_now(int status)
{
    return status == -EMFILE || status == -ENFILE || status == -ENOMEM || status == -EINPROGRESS;
}

/* One file among the mappings: the object in it, and where it is loaded. */
static int search_file(const struct search *search, const struct file_maps *file)
{
    const struct mapping *first = file_map(file, 0);
    struct probe_error reason = {.text = ""};
    if (!may_be_object(file))
        return 0;
    int fd = image_open_file(search->engine, search->image, first);
    if (fd < 0) {
        if (is_for_now(fd))
            return fd;
        search->list->unread |= fd != -ENOENT && fd != -ESRCH && fd != -ESTALE;
        /* A file that is just not there went with the process, and is no problem. */
        if ((fd != -ENOENT && fd != -ESRCH) || is_deleted(first))
            tell_unused(search, file, strerror(-fd));
        return 0;
    }
    struct object *object = NULL;
    bool new = false;
    bool is_program = false;
    int status = get_object(search, fd, first->path, &object, &new, &is_program, &reason);
    if (is_for_now(status))
        return status;
    if (status < 0) {
        search->list->unread |= status != -EINVAL;
        tell_unused(search, file, reason.text);
        return 0;
    }
    size_t before = search->list->count;
    tell_left_out(search, file, object, new, is_program);
    bool shown = object_shown(object, search->engine->options.all) > 0;
    if (shown)
        status = find_biases(search, file, object);
    bool found = search->list->count > before;
    if (status == 0)
        status = check_copies(search, file, before);
    if (shown && !found)
        tell_shared(search, file);
    if (shown && has_stray_code(file, search->list, before))
        search->list->partial = true;
    /* One use for each place it is loaded at. */
    for (size_t i = before; i < search->list->count; i++) {
        search->list->items[i].is_program = is_program;
        object_cache_use(search->engine->cache, object);
    }
    object_cache_put(search->engine->cache, object);
    return status;
}

static int compare_indices(const void *a, const void *b, void *data)
{
    const struct maps *maps = data;
    const struct mapping *x = &maps->items[*(const size_t *)a];
    const struct mapping *y = &maps->items[*(const size_t *)b];
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

static int compare_loaded(const void *a, const void *b)
{
    const struct loaded *x = a;
    const struct loaded *y = b;
    return x->bias < y->bias ? -1 : x->bias > y->bias;
}

static int fail_search(const struct probe_image *image, int status, struct probe_error *error)
{
    if (status == -EINPROGRESS)
        return error_set(error, EINPROGRESS,
                         "process %d: its program or a library has so many notes of probes that "
                         "they are still being read: try again in some seconds",
                         image->pid);
    return error_set(error, -status, "process %d: cannot look at its objects: %s", image->pid,
                     strerror(-status));
}

int loaded_find(const struct probe_engine *engine, const struct probe_image *image,
                const struct maps *maps, const struct timespec *until, loaded_teller *tell,
                void *data, struct loaded_list *list, struct probe_error *error)
{
    struct loaded_list found = {0};
    const struct search search = {engine, image, until, tell, data, &found};
    size_t *indices = malloc((maps->count + 1) * sizeof(*indices));
    if (!indices)
        return error_memory(error);
    size_t count = 0;
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->items[i];
        if (mapping->inode != 0)
            indices[count++] = i;
        if (is_copied_text(mapping) && !mapping_is_special(mapping))
            found.partial = true;
    }
    qsort_r(indices, count, sizeof(*indices), compare_indices, (void *)maps);

    int status = 0;
    for (size_t i = 0; i < count && status == 0;) {
        const struct mapping *first = &maps->items[indices[i]];
        size_t end = i + 1;
        while (end < count &&
               mapping_is_of(&maps->items[indices[end]], first->device, first->inode))
            end++;
        status = search_file(&search, &(struct file_maps){maps, indices + i, end - i});
        i = end;
    }
    free(indices);
    if (status < 0) {
        loaded_done(engine, &found);
        return fail_search(image, status, error);
    }
    if (found.count > 1)
        qsort(found.items, found.count, sizeof(*found.items), compare_loaded);
    *list = found;
    return 0;
}

/* Does SEGMENT start where BIAS says, in a private mapping of CODE's file? */
static bool starts_at(const struct segment *segment, uint64_t bias, const struct mapping *code,
                      int fd)
{
    struct mapping mapping;
    uint64_t address = maps_page_of(segment->address) + bias;
    return maps_query(fd, address, MAPS_ALL, &mapping) == 0 && mapping.start <= address &&
           !mapping.shared && mapping_is_of(&mapping, code->device, code->inode) &&
           mapping.offset + (address - mapping.start) == maps_page_of(segment->offset);
}

bool loaded_has_code(const struct object *object, const struct mapping *mapping, int fd)
{
    for (size_t s = 0; s < object->segment_count; s++) {
        uint64_t bias = 0;
        if (!object->segments[s].executable || !guess_bias(mapping, &object->segments[s], &bias) ||
            (object->is_fixed && bias != 0))
            continue;
        bool all = true;
        for (size_t i = 0; i < object->segment_count && all; i++)
            all = object->segments[i].file_size == 0 ||
                  starts_at(&object->segments[i], bias, mapping, fd);
        if (all)
            return true;
    }
    return false;
}

void loaded_done(const struct probe_engine *engine, struct loaded_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        object_cache_put(engine->cache, list->items[i].object);
        free(list->items[i].path);
    }
    free(list->items);
    *list = (struct loaded_list){0};
}
