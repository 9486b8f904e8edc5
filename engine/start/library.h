/* SPDX-License-Identifier: MIT */
/* Inside of libraries.c and the rules of the loaders: libraries as they are found. */
#ifndef ENGINE_LIBRARY_H
#define ENGINE_LIBRARY_H

#include "object/elf-dynamic.h"
#include "start/libraries.h"
#include "start/search-path.h"

#include <sys/stat.h>

struct library {
    char *path; /* as it was opened; of the executable, as /proc/self/exe is */
    struct stat file;
    struct elf_dynamic dynamic;
    size_t needed_by; /* the first that needs it; the executable, which is 0, needs itself */
    struct search_path rpath, runpath;
};

/* A name that a library was asked for by, or has as its DT_SONAME. */
struct library_name;

struct libraries {
    const struct libraries_start *start;
    struct library *items; /* the executable, the loader, and all others as they are found */
    size_t count, room;
    struct library_name *names;
    size_t opens; /* how many files were looked for */

    const char *loader; /* as the executable names it */
    struct search_path environment, system;
    char *lib;   /* glibc's $LIB */
    char *cache; /* the contents of ld.so.cache, or NULL */
    size_t cache_length;
};

/* A file that was found, and is kept or let go of with library_file_done(). */
struct library_file {
    int fd;
    char *path;
    struct stat file;
    struct elf_dynamic dynamic;
};

/*
 * Opens the file at PATH. Returns 1 if it is an executable or library for this machine; 0 if not,
 * or it is not there or may not be read. Errors: ENOEXEC it is damaged; E2BIG too many files were
 * looked for; EMFILE, ENFILE, ENOMEM.
 */
int library_file_open(struct libraries *all, const char *path, struct library_file *found);
void library_file_done(struct library_file *file);

/* The same for FOLDER/NAME. */
int library_file_open_in(struct libraries *all, const char *folder, const char *name,
                         struct library_file *found);

/* The value of NAME in the environment; NULL if it has none. */
const char *libraries_variable(const struct libraries *all, const char *name);

/* The folder that PATH is in, freed by the caller. NULL: out of memory. */
char *library_folder(const char *path);

/* What a loader does, by its rules. */
struct library_rules {
    /* First: what the system and the environment say. Errors: E2BIG, EMFILE, ENFILE, ENOMEM. */
    int (*begin)(struct libraries *all);
    /* Prepares the paths of a library that was found. Errors: ENOMEM; E2BIG. */
    int (*prepare)(struct libraries *all, struct library *library);
    /* Lists what is loaded before all others, needed by the executable. Errors: as below. */
    int (*preload)(struct libraries *all, int (*load)(void *data, const char *name), void *data);
    /* Is NAME the loader itself? */
    bool (*is_loader)(const struct libraries *all, const char *name);
    /* Finds NAME, which library NEEDED_BY needs: 1, 0 there is none, or as library_file_open(). */
    int (*search)(struct libraries *all, const char *name, size_t needed_by,
                  struct library_file *found);
};

extern const struct library_rules glibc_rules, musl_rules;

/* Does this loader follow musl's rules? */
bool musl_is_loader(const char *loader);

#endif
