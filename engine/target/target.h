/* SPDX-License-Identifier: MIT */
/* Inside the engine: the probes of one image, over all its objects. */
#ifndef ENGINE_TARGET_H
#define ENGINE_TARGET_H

#include "process/image.h"
#include "target/loaded.h"

#include <time.h>

/* The part of a probe that one loaded object brings. */
struct part {
    const struct object_probe *probe;
    const struct loaded *loaded;
};

struct tracee_stop;

/* A probe: its parts, one after the other among the target's. */
struct target_probe {
    uint32_t first_part, part_count;
};

struct probe_target {
    struct probe_engine *engine;
    struct tracee_stop *stop; /* while the client keeps it stopped, else NULL */
    bool traced;              /* its main thread is stopped, and traced by the calling thread */
    struct probe_image image; /* pid and id stay when the descriptors are closed */
    bool unconfirmed;         /* see probe_target_doubt() */
    bool read_anew;           /* its mappings, since target_distrust() */
    uint64_t generation;
    time_t checked; /* when it was asked for the files of all objects */
    bool replaced;  /* one of them was found to be another */
    struct maps maps;
    struct loaded_list loaded;
    struct part *parts; /* sorted by name */
    size_t part_count;
    struct target_probe *probes;
    size_t probe_count;
    char **problems;
    size_t problem_count, problem_room;
};

/*
 * Reads the mappings anew, whatever they look like. As probe_target_look(), which does so where the
 * kernel says that they have changed, or does not say.
 */
int target_look_at_all(struct probe_target *target, struct probe_error *error);

/* Is the image still the process's, now? Errors: ESRCH. */
int target_check(struct probe_target *target, struct probe_error *error);

/*
 * What is known of the mappings may have changed, and the image too: target_verify() is to ask for
 * each, and target_check() for the image. (Of files, target_verify_file() asks once for each look.)
 */
void target_distrust(struct probe_target *target);

/*
 * Is what TARGET knows of the mapping at ADDRESS still true? 1: yes, and it is marked as verified;
 * 0: no, or nothing is mapped there. Errors: ESRCH the image has gone.
 */
int target_verify(struct probe_target *target, uint64_t address, struct probe_error *error);

/*
 * Is the file of LOADED, one of TARGET's, still its object's? If not, all mappings have to be read
 * anew, and what is found then counts: nobody who holds an index may go on with it.
 */
bool target_verify_file(struct probe_target *target, const struct loaded *loaded);

/* The name of a probe is that of any of its parts. */
const char *target_probe_name(const struct probe_target *target, const struct target_probe *probe);

/* The sites' bytes as they are in the file of LOADED. Errors: ENOMEM, EIO, those of opening it. */
int target_site_bytes(struct probe_target *target, const struct loaded *loaded,
                      const uint8_t (**text)[SITE_LENGTH], struct probe_error *error);

#endif
