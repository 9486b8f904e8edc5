/* SPDX-License-Identifier: MIT */
/*
 * The objects that a process has loaded, and where: from mappings and program headers to biases.
 *
 *   runtime address = link-time address + bias
 */
#ifndef ENGINE_LOADED_H
#define ENGINE_LOADED_H

#include "process/image.h"

enum { COPIES_MAX = 4 };

/* A mapped file, as maps shows it. */
struct file_id {
    uint64_t device, inode;
};

struct loaded {
    struct object *object; /* in use until loaded_done() */
    uint64_t bias;
    uint64_t device, inode; /* of its mappings, as maps shows them */
    bool is_program;        /* its file cannot be replaced while the image lives */
    bool verified;          /* the user's own: is its file known to be the object's still? */
    char *path;             /* as maps shows it, escaped */
    /* Files (memfds, of hugetlbfs) whose mappings hold copies of its code: see copied-code.h. */
    struct file_id copies[COPIES_MAX];
    unsigned int copy_count;
};

struct loaded_list {
    struct loaded *items; /* in the order of their addresses */
    size_t count, room;
    /* Some code belongs to no object found: copied text, or an object that is not complete (yet).
     */
    bool partial;
    /* A file could not be read this time, and may be another time. */
    bool unread;
    /* Copied code was not compared with the file, as memory could not be read. */
    bool unchecked;
};

/* What is not shown of an object, and why. */
struct loaded_problem {
    const char *path;      /* the object's, as maps shows it */
    const char *predicate; /* how a sentence goes on behind the object's name */
    bool is_new; /* the file was read just now: its part of the problem is not logged yet */
    enum probe_reason reason;
    bool minor; /* of interest only where the process has no probe at all */
};

typedef void loaded_teller(void *data, const struct loaded_problem *problem);

/*
 * Finds the objects with probes in MAPS. Calls TELL for what is left out of them. UNTIL is that of
 * object_cache_get(). Errors: ENOMEM, EMFILE, ENFILE; EINPROGRESS one is still being read.
 */
int loaded_find(const struct probe_engine *engine, const struct probe_image *image,
                const struct maps *maps, const struct timespec *until, loaded_teller *tell,
                void *data, struct loaded_list *list, struct probe_error *error);
void loaded_done(const struct probe_engine *engine, struct loaded_list *list);

/*
 * Are the objects the same as when LIST was made from MAPS? Asks the kernel only what decides it:
 * 1, 0, or an error of maps_query().
 *
 * A new object brings code, so mappings of code are compared. An old one has gone if the start of a
 * segment is mapped differently. What remains is old code that becomes an object's by what is
 * mapped beside it: then LIST is partial, and all mappings of files are compared.
 */
int loaded_compare(const struct loaded_list *list, const struct maps *maps, int fd);

/*
 * Is the file mapped for LOADED still the one that its object was read from? File systems reuse the
 * numbers of deleted files: a library that was unloaded, rebuilt and loaded again may have the same
 * mappings, but other counters. Only times and size of the file show it, which PROCMAP_QUERY does
 * not tell. True if it cannot be known.
 */
bool loaded_is_current(const struct probe_engine *engine, const struct probe_image *image,
                       const struct maps *maps, const struct loaded *loaded);

/*
 * Is OBJECT loaded so that MAPPING holds the first page of its code? Asks the kernel, through the
 * open maps file FD. False if unsure: loaded_find() knows more ways to load an object.
 */
bool loaded_has_code(const struct object *object, const struct mapping *mapping, int fd);

/* The size of MAPPING's pages in KiB, by smaps. Errors: ENOENT it has gone; those of reading. */
int loaded_page_size(const struct probe_engine *engine, const struct probe_image *image,
                     const struct mapping *mapping, unsigned long *size);

/* Is MAPPING made of pages of 1 GiB? Reads smaps, if its addresses allow that. */
bool loaded_is_gigantic(const struct probe_engine *engine, const struct probe_image *image,
                        const struct mapping *mapping);

/* What is to be written at an address. */
enum loaded_use { LOADED_CODE, LOADED_DATA };

/*
 * May LENGTH bytes at the runtime ADDRESS be written as LOADED's? Code has to be in a private
 * executable mapping, a counter in a private writable one; of the object's file, anonymous, or for
 * code one of its copies. If not, the sentence says what is there.
 */
bool loaded_owns(const struct loaded *loaded, const struct maps *maps, uint64_t address,
                 size_t length, enum loaded_use use, struct probe_error *error);

#endif
