/* SPDX-License-Identifier: MIT */
/*
 * An object is what one ELF file says of its probes, in link-time addresses:
 *
 *   file  ->  segments, notes  ->  probes, each with its sites and counters
 *
 * It depends on the file alone: read once, shared by all targets that loaded it, and never changed,
 * but for what is only found when it is first needed (see `lock`).
 */
#ifndef ENGINE_OBJECT_H
#define ENGINE_OBJECT_H

#include "arch/arch.h"
#include "error.h"

#include <pthread.h>

/* A loadable segment (PT_LOAD). */
struct segment {
    uint64_t offset, address, file_size, memory_size;
    bool readable, writable, executable;
};

/* A 16-bit counter: a semaphore, or the upper half of one. */
struct counter {
    uint64_t address;
    bool kernel_counts; /* the kernel's uprobes count in this one, too */
};

/* Of a site whose note has no semaphore. */
#define SITE_NO_COUNTER UINT32_MAX

/* A place in the code that belongs to a probe. */
struct site {
    uint64_t address;
    uint32_t arguments; /* offset of the string in the object's strings */
    uint32_t counter;   /* index among the object's counters, or SITE_NO_COUNTER */
    bool patched;
};

/*
 * A probe, as far as one object has it: all notes that are shown under one name. Without a counter
 * it can be watched, not switched. Notes that have a semaphore, and notes of the same name that
 * have none, are two of these.
 */
struct object_probe {
    const char *name;
    uint32_t first_site, site_count;
    uint32_t first_counter, counter_count;
};

/* The longest piece of memory that is read to look at places: fits into a processor's cache. */
enum { PLACES_WINDOW = 128 << 10 };

enum { COUNTER_LENGTH = sizeof(uint16_t) };

/*
 * Sites or counters in the order of their addresses. They are read in windows: window W is of the
 * places from the end of the one before to ends[W].
 */
struct places {
    struct place *items;
    uint32_t *ends;
    size_t count, window_count;
    uint64_t start; /* link-time address of the first */
};

enum { OBJECT_PROBLEMS_MAX = 10 };

struct object {
    bool is_fixed;  /* ET_EXEC: loaded at its link-time addresses */
    bool is_32_bit; /* of a program or library of 32 bits nothing else is read */

    struct segment *segments;
    size_t segment_count;
    struct object_probe *probes;          /* sorted by name */
    size_t probe_count, switchable_count; /* all, and those with counters */
    struct site *sites;                   /* of one probe together, sorted by address */
    size_t site_count;
    struct counter *counters; /* of one probe together, sorted by address */
    size_t counter_count;
    char *strings; /* names and arguments */

    /* What was left out, and why: how sentences go on behind the object's name. */
    char *problems[OBJECT_PROBLEMS_MAX];
    size_t problem_count;
    char *watch_only; /* the same on probes without a semaphore; NULL where there are none */

    pthread_mutex_t lock;               /* guards what follows, each found when first needed */
    uint8_t (*site_bytes)[SITE_LENGTH]; /* the file's bytes at each site */
    struct places site_places, counter_places;
};

/*
 * Reads the object in the open file FD: its headers, its notes and, if the format asks for it, its
 * symbols. A note that does not fit is left out, and nothing else with it. A file that is no
 * executable or library of this processor is an object without probes. RESERVED is for name_show().
 * Errors: ENOMEM; EIO the file cannot be read.
 */
int object_read(int fd, const char *const *reserved, struct object **object,
                struct probe_error *error);
void object_free(struct object *object);

/*
 * The file's bytes at each of the object's sites, in their order; read from FD the first time. FD
 * must be the object's file. Errors: ENOMEM; EIO.
 */
int object_read_sites(struct object *object, int fd, const uint8_t (**bytes)[SITE_LENGTH],
                      struct probe_error *error);
/* Have they been read, so that no FD is needed? */
bool object_sites_are_read(struct object *object);

/*
 * Where the patched sites and the counters are; they live as long as the object. Errors: ENOMEM;
 * E2BIG they are too far apart for it.
 */
int object_places(struct object *object, const struct places **sites,
                  const struct places **counters);
void places_done(struct places *places);

/* How many of the probes a client wants: ALL, or those that can be switched. */
static inline size_t object_shown(const struct object *object, bool all)
{
    return all ? object->probe_count : object->switchable_count;
}

/* Where the code at a link-time address stands in the file. */
uint64_t object_file_offset(const struct object *object, uint64_t address);

/* The bytes of memory that an object takes. */
size_t object_size(const struct object *object);

#endif
