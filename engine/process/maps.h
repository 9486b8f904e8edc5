/* SPDX-License-Identifier: MIT */
/* The mappings of a process, as /proc/PID/maps lists them. */
#ifndef ENGINE_MAPS_H
#define ENGINE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
    uint64_t start, end; /* runtime addresses; END is the first behind it */
    uint64_t offset;     /* in the file */
    uint64_t device;     /* as the kernel shows it, major << 32 | minor; need not be stat's */
    uint64_t inode;      /* 0: no file */
    bool readable, writable, executable, shared;
    bool verified;    /* the client's own: has it been compared with what is now? */
    const char *path; /* as the kernel shows it ("" where it shows none), within the maps' text */
};

struct maps {
    struct mapping *items; /* sorted by address, none overlaps another */
    size_t count;
    char *text;
};

/*
 * Parses LENGTH bytes of TEXT. Returns 0 and MAPS, to be ended with maps_done(), or -EINVAL where
 * a line is not one of maps, -ENOMEM. Format: proc(5).
 */
int maps_parse(const char *text, size_t length, struct maps *maps);

/* Reads the open file FD from its beginning. Errors: what reading gives, and those of parsing. */
int maps_read(int fd, struct maps *maps);

void maps_done(struct maps *maps);

/* Which mappings are asked for. */
enum maps_kind { MAPS_ALL, MAPS_EXECUTABLE, MAPS_OF_FILES };

/* Would maps_query() find it? The page that programs call the kernel through is no mapping. */
bool mapping_is_of_kind(const struct mapping *mapping, enum maps_kind kind);

/*
 * Asks the kernel, through the open maps file FD, for the first mapping of KIND that ends behind
 * ADDRESS; its path is left out. Errors: ENOENT there is none; ENOTTY this kernel (before 6.11)
 * does not answer; ESRCH the image has gone.
 */
int maps_query(int fd, uint64_t address, enum maps_kind kind, struct mapping *mapping);

/*
 * Is MAPPING, of maps' text, code that the kernel itself puts into processes? Anonymous memory may
 * have a name as well, in brackets like these, but that begins with "anon:".
 */
bool mapping_is_special(const struct mapping *mapping);
/* The same of one that the kernel answered with, through the open maps file FD. */
bool maps_is_special(int fd, const struct mapping *mapping);

/*
 * Are the mappings of KIND the same now as in MAPS? 1, 0, or an error of maps_query(). Paths do
 * not count: a file that is renamed is the same file.
 */
int maps_compare(int fd, const struct maps *maps, enum maps_kind kind);
/* The same of one mapping. */
int maps_compare_one(int fd, const struct mapping *mapping);

/* Is all that a mapping is, but for its path, the same? */
bool mapping_is_same(const struct mapping *a, const struct mapping *b);

/*
 * Do both show the same mappings of files and of code? Then the same objects are loaded: heaps and
 * stacks come and go without a difference.
 */
bool maps_have_same_files(const struct maps *a, const struct maps *b);

/*
 * The path of MAPPING, without the escape that the kernel writes for a newline, into PATH of SIZE,
 * NUL-ended and cut where it does not fit; returns its length.
 */
size_t maps_path(const struct mapping *mapping, char *path, size_t size);

/* The mapping that ADDRESS lies in, or NULL. */
const struct mapping *maps_find(const struct maps *maps, uint64_t address);

#endif
