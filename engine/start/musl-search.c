/* SPDX-License-Identifier: MIT */
/*
 * How musl's loader finds a library (ldso/dynlink.c). A name with a slash in it is a path. Any
 * other is looked for in
 *
 *   1. LD_LIBRARY_PATH, unless the program gets privileges
 *   2. DT_RUNPATH, or else DT_RPATH, of the object that needs it, of the one that needed that, ...
 *   3. the folders in /etc/ld-musl-ARCH.path, or /lib, /usr/local/lib and /usr/lib without it
 *
 * Of tokens it knows $ORIGIN alone. The loader is the C library itself, by whatever name that is
 * asked for.
 */
#include "start/library.h"

#include "process/proc.h"
#include "start/regular-file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOADER_PREFIX "ld-musl-"

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool musl_is_loader(const char *loader)
{
    return strncmp(file_name(loader), LOADER_PREFIX, strlen(LOADER_PREFIX)) == 0;
}

/* ---- paths ------------------------------------------------------------------------------ */

/* Adds the folders that TEXT names; an empty one ends it. */
static int add_folders(struct search_path *path, const char *text)
{
    int status = 0;
    for (const char *at = text; status == 0;) {
        at += strspn(at, ":\n");
        size_t length = strcspn(at, ":\n");
        if (length == 0)
            break;
        char *folder = strndup(at, length);
        status = folder ? search_path_add_folder(path, folder) : -ENOMEM;
        free(folder);
        at += length;
    }
    return status;
}

/* Where the system's list of folders is: the loader's own prefix counts, as in /opt/musl/lib. */
static char *list_path(const char *loader)
{
    const char *name = file_name(loader);
    size_t prefix = name > loader ? (size_t)(name - 1 - loader) : 0;
    while (prefix > 0 && loader[prefix - 1] != '/')
        prefix--;
    prefix -= prefix > 0;
    const char *machine = name + strlen(LOADER_PREFIX);
    char *path = NULL;
    if (asprintf(&path, "%.*s/etc/" LOADER_PREFIX "%.*s.path", (int)prefix, loader,
                 (int)strcspn(machine, "."), machine) < 0)
        return NULL;
    return path;
}

static int read_system_folders(struct libraries *all)
{
    char *path = list_path(all->loader);
    if (!path)
        return -ENOMEM;
    int fd = regular_file_open(path, NULL);
    free(path);
    if (fd == -ENOENT)
        return add_folders(&all->system, "/lib:/usr/local/lib:/usr/lib");
    if (fd < 0)
        return regular_file_lacks(fd) ? fd : 0;
    char *text = NULL;
    ssize_t length = proc_read_all(fd, &text);
    close(fd);
    int status = length > 0 ? add_folders(&all->system, text) : 0;
    free(text);
    return length == -ENOMEM ? -ENOMEM : status;
}

static int musl_begin(struct libraries *all)
{
    const char *text = all->start->secure ? NULL : libraries_variable(all, "LD_LIBRARY_PATH");
    int status = read_system_folders(all);
    return status == 0 && text ? add_folders(&all->environment, text) : status;
}

/* Does TEXT have a token that is not $ORIGIN? Then none of it counts. */
static bool has_other_token(const char *text)
{
    for (const char *at = strchr(text, '$'); at; at = strchr(at + 1, '$')) {
        if (strncmp(at, "$ORIGIN", 7) != 0 && strncmp(at, "${ORIGIN}", 9) != 0)
            return true;
    }
    return false;
}

/* TEXT with ORIGIN in place of its tokens, freed by the caller; NULL: out of memory. */
static char *replace_origin(const char *text, const char *origin)
{
    char *replaced = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&replaced, &size);
    if (!out)
        return NULL;
    while (*text) {
        if (*text != '$') {
            fputc(*text++, out);
            continue;
        }
        fputs(origin, out);
        text += text[1] == '{' ? 9 : 7;
    }
    if (fclose(out) == 0)
        return replaced;
    free(replaced);
    return NULL;
}

static int musl_prepare(struct libraries *all, struct library *library)
{
    const struct elf_dynamic *dynamic = &library->dynamic;
    const char *text = dynamic->runpath ? dynamic->runpath : dynamic->rpath;
    bool executable = library == all->items;
    if (!text || has_other_token(text))
        return 0;
    if (!strchr(text, '$'))
        return add_folders(&library->rpath, text);
    if (all->start->secure && (executable || *library->path != '/'))
        return 0;
    char *origin = library_folder(library->path);
    char *replaced = origin ? replace_origin(text, origin) : NULL;
    int status = replaced ? add_folders(&library->rpath, replaced) : -ENOMEM;
    free(replaced);
    free(origin);
    return status;
}

/* ---- finding one ------------------------------------------------------------------------ */

/* The names of libraries that are all one with the C library. */
static bool musl_is_loader_name(const struct libraries *all, const char *name)
{
    static const char *const own[] = {"c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."};
    if (strcmp(name, all->loader) == 0)
        return true;
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
        if (strncmp(name, "lib", 3) == 0 && strncmp(name + 3, own[i], strlen(own[i])) == 0)
            return true;
    }
    return false;
}

static int search_folders(struct libraries *all, const struct search_path *path, const char *name,
                          struct library_file *found)
{
    int status = 0;
    for (size_t i = 0; i < path->count && status == 0; i++)
        status = library_file_open_in(all, path->folders[i], name, found);
    return status;
}

static int musl_search(struct libraries *all, const char *name, size_t needed_by,
                       struct library_file *found)
{
    if (strchr(name, '/'))
        return library_file_open(all, name, found);
    int status = search_folders(all, &all->environment, name, found);
    for (size_t at = needed_by; status == 0; at = all->items[at].needed_by) {
        status = search_folders(all, &all->items[at].rpath, name, found);
        if (at == all->items[at].needed_by)
            break;
    }
    return status == 0 ? search_folders(all, &all->system, name, found) : status;
}

static int musl_preload(struct libraries *all, int (*load)(void *data, const char *name),
                        void *data)
{
    const char *text = all->start->secure ? NULL : libraries_variable(all, "LD_PRELOAD");
    char *copy = text ? strdup(text) : NULL;
    char *rest = NULL;
    int status = text && !copy ? -ENOMEM : 0;
    for (char *name = copy ? strtok_r(copy, ": \t\r\n\v\f", &rest) : NULL; name && status == 0;
         name = strtok_r(NULL, ": \t\r\n\v\f", &rest))
        status = load(data, name);
    free(copy);
    return status;
}

const struct library_rules musl_rules = {
    .begin = musl_begin,
    .prepare = musl_prepare,
    .preload = musl_preload,
    .is_loader = musl_is_loader_name,
    .search = musl_search,
};
