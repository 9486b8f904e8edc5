/* SPDX-License-Identifier: MIT */
/* A reference inside the engine: its counters, and when and from what image it was taken. */
#ifndef ENGINE_REFERENCE_H
#define ENGINE_REFERENCE_H

#include "update/update.h"

/* A counter that the reference is in. */
struct taken {
    uint64_t address; /* at runtime */
    uint64_t bias, device, inode;
    uint32_t after;  /* its value when the reference had been added */
    uint32_t before; /* and when it was about to be given back */
};

/* A time in clock ticks since boot, as /proc/PID/stat tells when a process started: from, to. */
struct ticks {
    uint64_t from, to;
};

/* The image that the reference was taken from. */
struct origin {
    int64_t pid;
    struct probe_image_id id;
    uid_t user;
    gid_t group;
    struct ticks taken; /* when the counters were written */
};

struct family;

struct probe_reference {
    char *name;
    struct taken *taken; /* sorted by address */
    size_t count;
    struct origin origin;
    struct ticks given;
    bool is_forgotten;     /* somebody else set the counters at `given` */
    struct family *family; /* of the origin, as far as it was searched */
};

uint64_t ticks_now(void);

/* Values of the reference's counters in TARGET; 0 for those that cannot be read. */
void reference_read(struct probe_target *target, const struct probe_reference *reference,
                    uint32_t *values);

/*
 * Takes 1 away from the counters in TARGET, which was looked at. REQUIRED: only from those whose
 * item in VALUES reaches it (NULL: from all). Errors: those of an update.
 */
int reference_subtract(struct probe_target *target, const struct probe_reference *reference,
                       const uint32_t *values, const uint32_t *required, struct probe_error *error);

/* NULL is fine. */
void family_free(struct family *family);

#endif
