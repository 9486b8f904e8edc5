/* SPDX-License-Identifier: MIT */
/* The bytes that the sites of a snapshot have in the files of their objects. */
#ifndef ENGINE_SITE_BYTES_H
#define ENGINE_SITE_BYTES_H

#include "target/snapshot.h"

typedef const uint8_t (*object_site_bytes)[SITE_LENGTH];

struct site_bytes {
    const struct probe_target *target;
    object_site_bytes *of; /* for each of the target's loaded objects; NULL if not needed */
};

/* Reads those of all sites. Errors: ENOMEM, EIO, those of opening the objects' files. */
int site_bytes_init(struct probe_target *target, const struct probe_snapshot *snapshot,
                    struct site_bytes *bytes, struct probe_error *error);
/* Reads those of patched sites, from files that can be read. Errors: ENOMEM. */
int site_bytes_init_patched(struct probe_target *target, const struct probe_snapshot *snapshot,
                            struct site_bytes *bytes);
void site_bytes_done(struct site_bytes *bytes);

/* A plan_file_bytes, DATA being a struct site_bytes: the bytes of one site, or NULL. */
const uint8_t *site_bytes_find(void *data, const struct snapshot_site *site);

#endif
