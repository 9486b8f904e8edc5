/* SPDX-License-Identifier: MIT */
/* The bytes that sites of a snapshot have in their files. */
#ifndef ENGINE_SITE_BYTES_H
#define ENGINE_SITE_BYTES_H

#include "target/snapshot.h"

typedef const uint8_t (*object_site_bytes)[SITE_LENGTH];

struct site_bytes {
    const struct probe_target *target;
    object_site_bytes *of; /* for each of the target's loaded objects; NULL where none is needed */
};

/* Finds those of the snapshot's sites. Errors: ENOMEM, EIO, those of opening the objects' files. */
int site_bytes_init(struct probe_target *target, const struct probe_snapshot *snapshot,
                    struct site_bytes *bytes, struct probe_error *error);
/* Those of patched sites alone, and only of files that can be read. Errors: ENOMEM. */
int site_bytes_init_patched(struct probe_target *target, const struct probe_snapshot *snapshot,
                            struct site_bytes *bytes);
void site_bytes_done(struct site_bytes *bytes);

/* The bytes of one site, or NULL; DATA is the bytes: a plan_file_bytes. */
const uint8_t *site_bytes_find(void *data, const struct snapshot_site *site);

#endif
