/* SPDX-License-Identifier: MIT */
#include "start/libraries.h"

#include "start/library.h"
#include "start/program-file.h"
#include "start/regular-file.h"

#include "shared/array.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Bounds on what one program can make us do, and keep: about a second of looking. */
enum { LIBRARIES_MAX = 4096, OPENS_MAX = 1 << 18, SIZE_MAX_ALL = 64 << 20 };

enum { EXECUTABLE = 0 };

struct library_name {
    char *name;
    UT_hash_handle hh;
};

struct walk {
    struct libraries all;
    const struct library_rules *rules;
    libraries_visit *visit;
    void *data;
    struct stat *loader;
    size_t size; /* of what is kept of all libraries */
    struct probe_error *error;
};

/* ---- files ------------------------------------------------------------------------------ */

int library_file_open(struct libraries *all, const char *path, struct library_file *found)
{
    struct library_file file = {0};
    if (all->opens++ == OPENS_MAX)
        return -E2BIG;
    file.fd = regular_file_open(path, &file.file);
    if (file.fd < 0)
        return regular_file_lacks(file.fd) ? file.fd : 0;
    int status = elf_dynamic_read(file.fd, &file.dynamic);
    if (status == 1 && !(file.path = strdup(path)))
        status = -ENOMEM;
    if (status == 1)
        *found = file;
    else
        library_file_done(&file);
    return status;
}

void library_file_done(struct library_file *file)
{
    close(file->fd);
    free(file->path);
    elf_dynamic_done(&file->dynamic);
}

int library_file_open_in(struct libraries *all, const char *folder, const char *name,
                         struct library_file *found)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name) < 0)
        return -ENOMEM;
    int status = library_file_open(all, path, found);
    free(path);
    return status;
}

char *library_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

const char *libraries_variable(const struct libraries *all, const char *name)
{
    size_t length = strlen(name);
    const char *value = NULL;
    /* The last one counts, as for the loader. */
    for (char *const *at = all->start->environment; *at; at++) {
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            value = *at + length + 1;
    }
    return value;
}

/* ---- names ------------------------------------------------------------------------------ */

static bool is_known_name(const struct libraries *all, const char *name)
{
    struct library_name *found = NULL;
    HASH_FIND_STR(all->names, name, found);
    return found;
}

static int keep_name(struct libraries *all, const char *name)
{
    if (is_known_name(all, name))
        return 0;
    struct library_name *known = calloc(1, sizeof(*known));
    if (!known || !(known->name = strdup(name))) {
        free(known);
        return -ENOMEM;
    }
    HASH_ADD_KEYPTR(hh, all->names, known->name, strlen(known->name), known);
    if (known->hh.tbl)
        return 0;
    free(known->name);
    free(known);
    return -ENOMEM;
}

static bool is_known_file(const struct libraries *all, const struct stat *file)
{
    for (size_t i = 0; i < all->count; i++) {
        if (all->items[i].file.st_dev == file->st_dev && all->items[i].file.st_ino == file->st_ino)
            return true;
    }
    return false;
}

/* ---- one library ------------------------------------------------------------------------ */

/* Takes over FILE's contents but its descriptor. */
static int keep_library(struct walk *walk, struct library_file *file, size_t needed_by)
{
    struct libraries *all = &walk->all;
    if (all->count == LIBRARIES_MAX)
        return -E2BIG;
    if (ARRAY_RESERVE(all->items, all->room, all->count + 1) < 0)
        return -ENOMEM;
    struct library *library = &all->items[all->count++];
    *library = (struct library){
        .path = file->path,
        .file = file->file,
        .dynamic = file->dynamic,
        .needed_by = needed_by,
    };
    file->path = NULL;
    file->dynamic = (struct elf_dynamic){0};
    int status = walk->rules->prepare(all, library);
    walk->size += library->dynamic.size + library->rpath.size + library->runpath.size;
    if (status == 0 && walk->size > SIZE_MAX_ALL)
        status = -E2BIG;
    if (status == 0 && library->dynamic.soname)
        status = keep_name(all, library->dynamic.soname);
    return status;
}

static int take_file(struct walk *walk, struct library_file *file, size_t needed_by)
{
    int status = 0;
    if (!is_known_file(&walk->all, &file->file)) {
        status = walk->visit(walk->data, file->fd, file->path, walk->error);
        if (status == 0)
            status = keep_library(walk, file, needed_by);
    }
    library_file_done(file);
    return status;
}

static void tell_missing(const struct walk *walk, const char *name, size_t needed_by, int status)
{
    const struct library *library = &walk->all.items[needed_by];
    char shown[PROGRAM_SHOWN];
    char shown_by[PROGRAM_SHOWN];
    engine_log(walk->all.start->engine, PROBE_LOG_WARNING,
               "the library '%s' that '%s' needs is %s: its probes are not known",
               program_show(name, shown), program_show(library->path, shown_by),
               status == 0 ? "not found" : "damaged");
}

static int load_library(struct walk *walk, const char *name, size_t needed_by)
{
    struct library_file file;
    if (is_known_name(&walk->all, name) || walk->rules->is_loader(&walk->all, name))
        return 0;
    int status = walk->rules->search(&walk->all, name, needed_by, &file);
    if (status == 1)
        status = take_file(walk, &file, needed_by);
    else if (status == 0 || status == -ENOEXEC) {
        tell_missing(walk, name, needed_by, status);
        status = 0;
    }
    return status < 0 ? status : keep_name(&walk->all, name);
}

static int preload_library(void *data, const char *name)
{
    return load_library(data, name, EXECUTABLE);
}

/* ---- all of them ------------------------------------------------------------------------ */

static int begin_walk(struct walk *walk)
{
    const struct libraries_start *start = walk->all.start;
    struct library_file file = {.fd = dup(start->program), .path = strdup(start->path)};
    int status = file.fd < 0 || fstat(file.fd, &file.file) < 0 ? -errno : 0;
    if (status == 0)
        status = file.path ? elf_dynamic_read(file.fd, &file.dynamic) : -ENOMEM;
    if (status == 1 && file.dynamic.loader) {
        walk->all.loader = file.dynamic.loader;
        walk->rules = musl_is_loader(walk->all.loader) ? &musl_rules : &glibc_rules;
        status = walk->rules->begin(&walk->all);
        if (status == 0)
            status = keep_library(walk, &file, EXECUTABLE);
    } else if (status == 1) {
        status = 0;
    }
    library_file_done(&file);
    return status;
}

static int load_loader(struct walk *walk)
{
    struct library_file file;
    int status = library_file_open(&walk->all, walk->all.loader, &file);
    if (status == 1) {
        *walk->loader = file.file;
        return take_file(walk, &file, EXECUTABLE);
    }
    if (status < 0 && status != -ENOEXEC)
        return status;
    tell_missing(walk, walk->all.loader, EXECUTABLE, status);
    return 0;
}

static int load_all(struct walk *walk)
{
    int status = load_loader(walk);
    if (status == 0)
        status = walk->rules->preload(&walk->all, preload_library, walk);
    for (size_t i = 0; i < walk->all.count && status == 0; i++) {
        for (size_t n = 0; n < walk->all.items[i].dynamic.needed_count && status == 0; n++)
            status = load_library(walk, walk->all.items[i].dynamic.needed[n], i);
    }
    return status;
}

static void end_walk(struct libraries *all)
{
    struct library_name *name = NULL;
    struct library_name *next = NULL;
    HASH_ITER (hh, all->names, name, next) {
        HASH_DEL(all->names, name);
        free(name->name);
        free(name);
    }
    for (size_t i = 0; i < all->count; i++) {
        free(all->items[i].path);
        elf_dynamic_done(&all->items[i].dynamic);
        search_path_done(&all->items[i].rpath);
        search_path_done(&all->items[i].runpath);
    }
    free(all->items);
    search_path_done(&all->environment);
    search_path_done(&all->system);
    free(all->lib);
    free(all->cache);
}

/* What stopped the walk, in a sentence. A damaged executable is the kernel's to refuse. */
static int explain_end(const struct libraries_start *start, int status, struct probe_error *error)
{
    char shown[PROGRAM_SHOWN];
    program_show(start->path, shown);
    if (status == -ENOMEM)
        return error_memory(error);
    if (regular_file_lacks(status))
        return error_set(error, -status,
                         "cannot look for the libraries that program '%s' needs: %s", shown,
                         strerror(-status));
    if (status == -E2BIG)
        return error_set(error, E2BIG,
                         "program '%s' needs more libraries, or looks for them in more folders, "
                         "than any real program does",
                         shown);
    engine_log(start->engine, PROBE_LOG_WARNING,
               "the libraries of '%s' are not known: its dynamic section is damaged", shown);
    return 0;
}

int libraries_find(const struct libraries_start *start, libraries_visit *visit, void *data,
                   struct stat *loader, struct probe_error *error)
{
    struct probe_error reason = {.text = ""};
    struct walk walk = {
        .all = {.start = start},
        .visit = visit,
        .data = data,
        .loader = loader,
        .error = &reason,
    };
    int status = begin_walk(&walk);
    if (status == 0 && walk.all.loader)
        status = load_all(&walk);
    end_walk(&walk.all);
    if (status != 0 && reason.text[0]) {
        if (error)
            *error = reason;
        return status;
    }
    return status < 0 ? explain_end(start, status, error) : status;
}
