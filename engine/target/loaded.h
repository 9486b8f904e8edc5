/* SPDX-License-Identifier: MIT */
/*
 * Which objects a process has loaded, and where: mappings and program headers in, biases out.
 *
 *   runtime address = link-time address + bias
 */
#ifndef ENGINE_LOADED_H
#define ENGINE_LOADED_H

#include "process/image.h"

struct loaded {
    struct object *object; /* in use until loaded_done() */
    uint64_t bias;
    uint64_t device, inode; /* of its mappings, as maps shows them */
    bool is_program;        /* its file cannot be replaced while the image lives */
    bool verified;          /* the client's own: was its file the object's at this look? */
    char *path;             /* as maps shows it, escaped */
};

struct loaded_list {
    struct loaded *items; /* in the order of their addresses */
    size_t count, room;
    /* There is code that may belong to an object which is not all there, or copied text. */
    bool partial;
    /* There is a file that may be read another time, and could not be this time. */
    bool unread;
};

/* Called with a sentence on an object that cannot be used. */
typedef void loaded_problem(void *data, const char *path, const char *reason, bool new);

/*
 * Finds the objects with probes among MAPS. Objects that cannot be used are left out, and PROBLEM
 * is told. Errors: ENOMEM.
 */
int loaded_find(const struct probe_engine *engine, const struct probe_image *image,
                const struct maps *maps, loaded_problem *problem, void *data,
                struct loaded_list *list, struct probe_error *error);
void loaded_done(const struct probe_engine *engine, struct loaded_list *list);

/*
 * Are the same objects loaded as when LIST was made of MAPS? Asked of the kernel, and no more of it
 * than the answer needs: 1, 0, or an error of maps_query().
 *
 * A new object has code, so the mappings of code are compared. One that was there is no more if a
 * segment's start is mapped otherwise. What is left are mappings of code from before that become
 * an object's by what is mapped beside them: LIST is partial then, and all files are compared.
 */
int loaded_compare(const struct loaded_list *list, const struct maps *maps, int fd);

/*
 * Is the file that is mapped for LOADED the one that its object was read from? File systems give
 * the number of a deleted file to the next one; a library that was unloaded, built anew and loaded
 * again may have the very mappings that it had, with other counters. Only the times and the size of
 * the file tell that, and PROCMAP_QUERY does not give them. True where it cannot be known.
 */
bool loaded_is_current(const struct probe_engine *engine, const struct probe_image *image,
                       const struct maps *maps, const struct loaded *loaded);

/*
 * Is OBJECT loaded so that MAPPING holds the first page of its code? Asked of the kernel, through
 * the open maps file FD. False where that is not sure: loaded_find() knows more ways.
 */
bool loaded_has_code(const struct object *object, const struct mapping *mapping, int fd);

/* Is the mapping on pages of 1 GiB? Asked of smaps, for those that could be. */
bool loaded_is_gigantic(const struct probe_engine *engine, const struct probe_image *image,
                        const struct mapping *mapping);

/* Where may an address of a site or a counter lie? */
enum loaded_use { LOADED_CODE, LOADED_DATA };

/*
 * Is ADDRESS (at runtime) in a mapping of this object that may be written for USE: code in private
 * executable ones (the object's, or anonymous: text copied to huge pages), counters in private
 * writable ones? Else the sentence says what is there.
 */
bool loaded_owns(const struct loaded *loaded, const struct maps *maps, uint64_t address,
                 size_t length, enum loaded_use use, struct probe_error *error);

#endif
