/* SPDX-License-Identifier: MIT */
/* A target inside the engine: the probes of one image, over all its objects. */
#ifndef ENGINE_TARGET_H
#define ENGINE_TARGET_H

#include "process/image.h"
#include "target/loaded.h"
#include "target/problems.h"

#include <time.h>

/* What one loaded object contributes to a probe. */
struct part {
    const struct object_probe *probe;
    const struct loaded *loaded;
};

struct tracee_stop;

/* A probe, as a range of the target's parts. */
struct target_probe {
    uint32_t first_part, part_count;
};

struct probe_target {
    struct probe_engine *engine;
    struct tracee_stop *stop; /* while the client keeps it stopped, else NULL */
    bool traced;              /* the calling thread traces it, and its main thread is stopped */
    struct probe_image image; /* pid and id stay when the descriptors are closed */
    bool unconfirmed;         /* see probe_target_doubt() */
    bool read_anew;           /* all mappings were read since target_distrust() */
    struct timespec until;    /* see probe_target_wait_until(); */
    bool is_urgent;           /* it is set */
    uint64_t generation;
    time_t checked; /* when the files of all objects were compared */
    bool replaced;  /* one of them was found to be another file */
    struct maps maps;
    struct loaded_list loaded;
    struct part *parts; /* sorted by name */
    size_t part_count;
    struct target_probe *probes;
    size_t probe_count;
    struct problems problems;
};

/* As probe_target_look(), but reads all mappings even if the kernel says that they are the same. */
int target_look_at_all(struct probe_target *target, struct probe_error *error);

/* Is the image still the process's? Errors: those of image_check(). */
int target_check(struct probe_target *target, struct probe_error *error);

/*
 * Marks what is known of image and mappings as possibly out of date: target_check() and
 * target_verify() will ask again. (target_verify_file() asks once for each look.)
 */
void target_distrust(struct probe_target *target);

/*
 * Is the mapping at ADDRESS still as TARGET knows it? 1: yes, and it is marked as verified; 0: no,
 * or nothing is mapped there. Errors: ESRCH the image has gone.
 */
int target_verify(struct probe_target *target, uint64_t address, struct probe_error *error);

/*
 * Is the file of LOADED, one of TARGET's, still its object's? If not, the next look reads all
 * mappings, and makes a new generation.
 */
bool target_verify_file(struct probe_target *target, const struct loaded *loaded);

const char *target_probe_name(const struct probe_target *target, const struct target_probe *probe);

/* The bytes of all sites in the file of LOADED. Errors: ENOMEM, EIO, those of opening it. */
int target_site_bytes(struct probe_target *target, const struct loaded *loaded,
                      const uint8_t (**bytes)[SITE_LENGTH], struct probe_error *error);

#endif
