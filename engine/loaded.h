/* SPDX-License-Identifier: MIT */
/*
 * Which objects a process has loaded, and where: mappings and program headers in, biases out.
 *
 *   runtime address = link-time address + bias
 */
#ifndef ENGINE_LOADED_H
#define ENGINE_LOADED_H

#include "image.h"

struct loaded {
    struct object *object; /* in use until loaded_done() */
    uint64_t bias;
    uint64_t device, inode; /* of its mappings, as maps shows them */
    char *path;             /* as maps shows it, escaped */
};

struct loaded_list {
    struct loaded *items; /* in the order of their addresses */
    size_t count;
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
