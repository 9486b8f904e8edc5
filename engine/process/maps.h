/* SPDX-License-Identifier: MIT */
/* The mappings of a process, as /proc/PID/maps lists them. See proc(5) for the format. */
#ifndef ENGINE_MAPS_H
#define ENGINE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
    uint64_t start, end; /* runtime addresses; END is the first one behind the mapping */
    uint64_t offset;     /* in the file */
    uint64_t device;     /* major << 32 | minor, as maps shows it: may differ from stat's */
    uint64_t inode;      /* 0: no file */
    bool readable, writable, executable, shared;
    bool verified;    /* the user's own: was it compared with the process since the last look? */
    const char *path; /* as the kernel shows it, or ""; within the maps' text */
};

struct maps {
    struct mapping *items; /* sorted by address, none overlaps another */
    size_t count;
    char *text;
};

/* Parses LENGTH bytes of TEXT. Errors: EINVAL a line is none of maps; ENOMEM. */
int maps_parse(const char *text, size_t length, struct maps *maps);

/* Reads and parses the open maps file FD. Errors: those of read() and of parsing. */
int maps_read(int fd, struct maps *maps);

void maps_done(struct maps *maps);

enum maps_kind { MAPS_ALL, MAPS_EXECUTABLE, MAPS_OF_FILES };

/* Would maps_query() find it? The vsyscall page is no mapping to the kernel. */
bool mapping_is_of_kind(const struct mapping *mapping, enum maps_kind kind);

/*
 * Asks the kernel through the open maps file FD for the first mapping of KIND that ends behind
 * ADDRESS, without its path. Errors: ENOENT there is none; ENOTTY the kernel (before 6.11) has no
 * PROCMAP_QUERY; ESRCH the image has gone.
 */
int maps_query(int fd, uint64_t address, enum maps_kind kind, struct mapping *mapping);

/*
 * Is MAPPING, from the text of maps, code that the kernel maps into every process ([vdso])? Named
 * anonymous memory is in brackets, too, but its name begins with "anon:".
 */
bool mapping_is_special(const struct mapping *mapping);
/* The same of a mapping from maps_query(), through the open maps file FD. */
bool maps_is_special(int fd, const struct mapping *mapping);

/*
 * Are the mappings of KIND still those in MAPS? 1, 0, or an error of maps_query(). Paths do not
 * count: a renamed file is the same file.
 */
int maps_compare(int fd, const struct maps *maps, enum maps_kind kind);
/* The same for one mapping. */
int maps_compare_one(int fd, const struct mapping *mapping);

/* Does MAPPING belong to this file? */
bool mapping_is_of(const struct mapping *mapping, uint64_t device, uint64_t inode);
/* Is it memory of no file? Pages of hugetlbfs have an inode all the same. */
bool mapping_is_anonymous(const struct mapping *mapping);

/* Are all fields but path and `verified` equal? */
bool mapping_is_same(const struct mapping *a, const struct mapping *b);

/*
 * Do both have the same mappings of files and of code? Then the same objects are loaded: heaps and
 * stacks make no difference.
 */
bool maps_have_same_files(const struct maps *a, const struct maps *b);

/*
 * Copies the path of MAPPING into PATH of SIZE, with the kernel's escapes for newlines undone;
 * NUL-ended, and cut to fit. Returns its length.
 */
size_t maps_path(const struct mapping *mapping, char *path, size_t size);

/* The address of the page that ADDRESS lies in. The kernel maps whole pages, of 4, 16 or 64 KiB. */
uint64_t maps_page_of(uint64_t address);

/* The mapping that holds ADDRESS, or NULL. */
const struct mapping *maps_find(const struct maps *maps, uint64_t address);

#endif
