/* SPDX-License-Identifier: MIT */
/*
 * The folders that a loader looks for libraries in, from the texts that name them: LD_LIBRARY_PATH,
 * DT_RPATH, DT_RUNPATH.
 *
 *     $ORIGIN/../lib:/opt/${LIB}::plugins   of /srv/app/bin/app   ->
 *     /srv/app/bin/../lib   /opt/lib/x86_64-linux-gnu   .   plugins
 */
#ifndef ENGINE_SEARCH_PATH_H
#define ENGINE_SEARCH_PATH_H

#include <stdbool.h>
#include <stddef.h>

struct search_path {
    char **folders; /* without a slash at the end, but for "/" */
    size_t count;
    size_t size; /* of all of them, in bytes */
};

/* What glibc puts in place of $ORIGIN, $LIB and $PLATFORM. */
struct search_tokens {
    const char *origin; /* the folder of the object that names the path; NULL: unknown */
    const char *lib, *platform;
    /*
     * For the executable of a program with privileges: $ORIGIN is only accepted at the beginning,
     * and where it leads into one of these folders. NULL for all others.
     */
    const struct search_path *trusted;
    bool secure; /* the program has privileges: $ORIGIN only at the beginning */
};

/*
 * TEXT with its tokens replaced, freed by the caller; "" if it has one that cannot be. NULL: out of
 * memory. As glibc's _dl_dst_substitute().
 */
char *search_tokens_expand(const char *text, const struct search_tokens *tokens);

/*
 * Adds what TEXT names, separated by any of SEPARATORS, as glibc reads it: an empty element is the
 * working directory, one with tokens that cannot be replaced is none. Errors: ENOMEM; E2BIG more
 * folders than any real path has.
 */
int search_path_add(struct search_path *path, const char *text, const char *separators,
                    const struct search_tokens *tokens);

/* Adds one folder. Errors: ENOMEM; E2BIG. */
int search_path_add_folder(struct search_path *path, const char *folder);

/* Is FOLDER, by its name, one of the path's or below one? */
bool search_path_contains(const struct search_path *path, const char *folder);

void search_path_done(struct search_path *path);

#endif
