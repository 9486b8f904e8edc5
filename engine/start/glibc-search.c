/* SPDX-License-Identifier: MIT */
/*
 * How glibc's loader finds a library (ld.so(8); elf/dl-load.c). A name with a slash in it is a
 * path. Any other is looked for in
 *
 *   1. DT_RPATH of the object that needs it, of the one that needed that, ... up to the executable;
 *      only if the first has no DT_RUNPATH, which also takes away its own DT_RPATH
 *   2. LD_LIBRARY_PATH, unless the program gets privileges
 *   3. DT_RUNPATH of the object that needs it
 *   4. /etc/ld.so.cache
 *   5. the default folders
 *
 * and in each folder first in the subfolders of glibc-hwcaps that suit the processor. A file for
 * another machine is passed over. Left out: the older hwcaps (tls, haswell, avx512_1, x86_64) that
 * glibc knew until 2.36.
 */
#include "start/library.h"

#include "arch/arch.h"
#include "process/proc.h"
#include "start/ld-cache.h"
#include "start/regular-file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CACHE_FILE   "/etc/ld.so.cache"
#define PRELOAD_FILE "/etc/ld.so.preload"

static bool is_secure(const struct libraries *all)
{
    return all->start->secure;
}

/* ---- what the system says --------------------------------------------------------------- */

/*
 * glibc is built with these folders in it, and installs its loader in one of them: that one is
 * certain, the rest are those of the distributions. $LIB is the same without /usr.
 */
static int find_system_folders(struct libraries *all)
{
    static const char *const usual[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib"};
    char *real = realpath(all->loader, NULL);
    char *folder = real ? library_folder(real) : strdup("/lib");
    free(real);
    if (!folder)
        return -ENOMEM;
    bool in_usr = strncmp(folder, "/usr/", 5) == 0;
    const char *rest = in_usr ? folder + 4 : folder;
    char *other = NULL;
    int status = asprintf(&other, "%s%s", in_usr ? "" : "/usr", rest) < 0 ? -ENOMEM : 0;
    if (status == 0)
        status = search_path_add_folder(&all->system, rest);
    if (status == 0)
        status = search_path_add_folder(&all->system, in_usr ? folder : other);
    for (size_t i = 0; i < sizeof(usual) / sizeof(*usual) && status == 0; i++)
        status = search_path_add_folder(&all->system, usual[i]);
    all->lib = strdup(rest + strspn(rest, "/"));
    free(other);
    free(folder);
    return all->lib ? status : -ENOMEM;
}

/* The contents of the file at PATH, if it can be read; freed by the caller. */
static int read_system_file(const char *path, char **text, size_t *length)
{
    int fd = regular_file_open(path, NULL);
    *text = NULL;
    if (fd < 0)
        return regular_file_lacks(fd) ? fd : 0;
    ssize_t got = proc_read_all(fd, text);
    close(fd);
    *length = got < 0 ? 0 : (size_t)got;
    return got == -ENOMEM ? -ENOMEM : 0;
}

static struct search_tokens tokens_of(const struct libraries *all, const char *origin,
                                      bool executable)
{
    return (struct search_tokens){
        .origin = origin,
        .lib = all->lib,
        .platform = arch_platform(),
        .secure = is_secure(all),
        .trusted = is_secure(all) && executable ? &all->system : NULL,
    };
}

static int glibc_begin(struct libraries *all)
{
    int status = find_system_folders(all);
    const char *text = is_secure(all) ? NULL : libraries_variable(all, "LD_LIBRARY_PATH");
    char *origin = library_folder(all->start->path);
    if (status == 0 && !origin)
        status = -ENOMEM;
    if (status == 0 && text && *text) {
        const struct search_tokens tokens = tokens_of(all, origin, true);
        status = search_path_add(&all->environment, text, ":;", &tokens);
    }
    free(origin);
    if (status == 0)
        status = read_system_file(CACHE_FILE, &all->cache, &all->cache_length);
    return status;
}

static int glibc_prepare(struct libraries *all, struct library *library)
{
    const struct elf_dynamic *dynamic = &library->dynamic;
    char *origin = library_folder(library->path);
    if (!origin)
        return -ENOMEM;
    const struct search_tokens tokens = tokens_of(all, origin, library == all->items);
    int status = 0;
    if (dynamic->runpath && *dynamic->runpath)
        status = search_path_add(&library->runpath, dynamic->runpath, ":", &tokens);
    else if (!dynamic->runpath && dynamic->rpath && *dynamic->rpath)
        status = search_path_add(&library->rpath, dynamic->rpath, ":", &tokens);
    free(origin);
    return status;
}

/* ---- finding one ------------------------------------------------------------------------ */

/* Of a program with privileges, only what is setuid itself is preloaded by its name. */
static int open_wanted(struct libraries *all, const char *folder, const char *name, bool setuid,
                       struct library_file *found)
{
    int status = library_file_open_in(all, folder, name, found);
    if (status == 1 && setuid && !(found->file.st_mode & S_ISUID)) {
        library_file_done(found);
        return 0;
    }
    return status;
}

static int search_folder(struct libraries *all, const char *folder, const char *name, bool setuid,
                         struct library_file *found)
{
    int status = 0;
    for (const char *const *hwcap = arch_hwcaps(); *hwcap && status == 0; hwcap++) {
        char *inside = NULL;
        if (asprintf(&inside, "glibc-hwcaps/%s/%s", *hwcap, name) < 0)
            return -ENOMEM;
        status = open_wanted(all, folder, inside, setuid, found);
        free(inside);
    }
    return status == 0 ? open_wanted(all, folder, name, setuid, found) : status;
}

static int search_folders(struct libraries *all, const struct search_path *path, const char *name,
                          bool setuid, struct library_file *found)
{
    int status = 0;
    for (size_t i = 0; i < path->count && status == 0; i++)
        status = search_folder(all, path->folders[i], name, setuid, found);
    return status;
}

static int search_rpaths(struct libraries *all, const char *name, size_t needed_by, bool setuid,
                         struct library_file *found)
{
    int status = 0;
    if (all->items[needed_by].dynamic.runpath)
        return 0;
    for (size_t at = needed_by; status == 0; at = all->items[at].needed_by) {
        status = search_folders(all, &all->items[at].rpath, name, setuid, found);
        if (at == all->items[at].needed_by)
            break;
    }
    return status;
}

static int search_cache(struct libraries *all, const char *name, bool no_default,
                        struct library_file *found)
{
    const char *path = all->cache ? ld_cache_find(all->cache, all->cache_length, name,
                                                  arch_library_kind, arch_hwcaps())
                                  : NULL;
    if (!path || (no_default && search_path_contains(&all->system, path)))
        return 0;
    return library_file_open(all, path, found);
}

static int search_name(struct libraries *all, const char *name, size_t needed_by, bool setuid,
                       struct library_file *found)
{
    const bool no_default = all->items[needed_by].dynamic.no_default;
    int status = search_rpaths(all, name, needed_by, setuid, found);
    if (status == 0)
        status = search_folders(all, &all->environment, name, setuid, found);
    if (status == 0)
        status = search_folders(all, &all->items[needed_by].runpath, name, setuid, found);
    if (status == 0 && !setuid)
        status = search_cache(all, name, no_default, found);
    if (status == 0 && !no_default)
        status = search_folders(all, &all->system, name, setuid, found);
    return status;
}

static int search_expanded(struct libraries *all, const char *name, size_t needed_by, bool setuid,
                           struct library_file *found)
{
    const struct library *library = &all->items[needed_by];
    char *origin = library_folder(library->path);
    if (!origin)
        return -ENOMEM;
    const struct search_tokens tokens = tokens_of(all, origin, library == all->items);
    char *expanded = search_tokens_expand(name, &tokens);
    free(origin);
    if (!expanded)
        return -ENOMEM;
    int status = 0;
    if (strchr(expanded, '/'))
        status = library_file_open(all, expanded, found);
    else if (*expanded)
        status = search_name(all, expanded, needed_by, setuid, found);
    free(expanded);
    return status;
}

static int glibc_search(struct libraries *all, const char *name, size_t needed_by,
                        struct library_file *found)
{
    return search_expanded(all, name, needed_by, false, found);
}

/* ---- what comes before all others ------------------------------------------------------- */

struct preloading {
    int (*load)(void *data, const char *name);
    void *data;
};

/* Loads what TEXT lists; changes it. */
static int preload_list(char *text, const char *separators, bool paths,
                        const struct preloading *preloading)
{
    char *rest = NULL;
    int status = 0;
    for (char *name = strtok_r(text, separators, &rest); name && status == 0;
         name = strtok_r(NULL, separators, &rest)) {
        if (paths || !strchr(name, '/'))
            status = preloading->load(preloading->data, name);
    }
    return status;
}

static int preload_from_environment(const struct libraries *all,
                                    const struct preloading *preloading)
{
    const char *text = libraries_variable(all, "LD_PRELOAD");
    char *copy = text ? strdup(text) : NULL;
    if (!text)
        return 0;
    if (!copy)
        return -ENOMEM;
    int status = preload_list(copy, " :", !is_secure(all), preloading);
    free(copy);
    return status;
}

/* Comments begin with a '#' and end with the line. */
static void blank_comments(char *text)
{
    for (char *at = strchr(text, '#'); at; at = strchr(at, '#')) {
        size_t length = strcspn(at, "\n");
        memset(at, ' ', length);
    }
}

static int preload_from_system(const struct preloading *preloading)
{
    char *text = NULL;
    size_t length = 0;
    int status = read_system_file(PRELOAD_FILE, &text, &length);
    if (!text)
        return status;
    blank_comments(text);
    status = preload_list(text, " \t\n:", true, preloading);
    free(text);
    return status;
}

static int glibc_preload(struct libraries *all, int (*load)(void *data, const char *name),
                         void *data)
{
    const struct preloading preloading = {load, data};
    int status = preload_from_environment(all, &preloading);
    return status == 0 ? preload_from_system(&preloading) : status;
}

static bool glibc_is_loader(const struct libraries *all, const char *name)
{
    return strcmp(name, all->loader) == 0;
}

const struct library_rules glibc_rules = {
    .begin = glibc_begin,
    .prepare = glibc_prepare,
    .preload = glibc_preload,
    .is_loader = glibc_is_loader,
    .search = glibc_search,
};
