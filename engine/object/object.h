/* SPDX-License-Identifier: MIT */
/*
 * The probes of one ELF file: what its notes say, in link-time addresses.
 *
 *   file  ->  segments, notes  ->  probes, each with its sites and counters
 *
 * An object is a property of the file alone. It is read once, never changed after (but for the
 * bytes of its sites, which are read when first needed), and shared by all targets that loaded it.
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

/* A 16-bit counter: a semaphore, or its upper half. */
struct counter {
    uint64_t address;
    bool kernel_counts; /* the kernel's uprobes count in this one, too */
};

struct site {
    uint64_t address;
    uint32_t arguments; /* offset of the string in the object's strings */
    uint32_t counter;   /* index among the object's counters */
    bool patched;
};

/* All notes of one shown name. */
struct object_probe {
    const char *name;
    uint32_t first_site, site_count;
    uint32_t first_counter, counter_count;
};

/* Where a site or a counter is, in the order of the addresses. */
struct place {
    uint32_t offset; /* from the first of them */
    uint32_t index;  /* in the object */
};

struct places {
    struct place *items;
    size_t count;
    uint64_t start; /* link-time address of the first */
};

struct object {
    char *refusal; /* why nothing of it is used, or NULL */
    bool fixed;    /* ET_EXEC: loaded at its link-time addresses */

    struct segment *segments;
    size_t segment_count;
    struct object_probe *probes; /* sorted by name */
    size_t probe_count;
    struct site *sites; /* of one probe together, sorted by address */
    size_t site_count;
    struct counter *counters; /* of one probe together, sorted by address */
    size_t counter_count;
    char *strings; /* names and arguments */

    pthread_mutex_t text_lock;    /* guards what follows */
    uint8_t (*text)[SITE_LENGTH]; /* the file's bytes at each site */
    struct places site_places, counter_places;
};

/*
 * Reads the object in the open file FD; touches its headers, its notes and (where the format asks
 * for it) its symbols. An object whose notes contradict their format has no probes and a refusal.
 * A file that is not a 64-bit x86 ELF executable or library is an object without probes. RESERVED
 * is for name_show(). Errors: ENOMEM; EIO where the file cannot be read.
 */
int object_read(int fd, const char *const *reserved, struct object **object,
                struct probe_error *error);
void object_free(struct object *object);

/*
 * The file's bytes at each site, as many as there are sites; read from FD the first time, where FD
 * is the same file. Errors: ENOMEM; EIO.
 */
int object_text(struct object *object, int fd, const uint8_t (**text)[SITE_LENGTH],
                struct probe_error *error);
/* Are they known already? */
bool object_has_text(struct object *object);

/*
 * Where the patched sites and the counters are; found the first time, lives as long as the object.
 * Errors: ENOMEM; E2BIG they are too far apart for it.
 */
int object_places(struct object *object, const struct places **sites,
                  const struct places **counters);

/* Where the code at a link-time address stands in the file. */
uint64_t object_file_offset(const struct object *object, uint64_t address);

/* The bytes of memory that an object takes. */
size_t object_size(const struct object *object);

#endif
