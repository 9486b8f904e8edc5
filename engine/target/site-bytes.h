/* SPDX-License-Identifier: MIT */
/* The bytes that sites of a snapshot have in their files. */
#ifndef ENGINE_SITE_BYTES_H
#define ENGINE_SITE_BYTES_H

#include "target/snapshot.h"

typedef const uint8_t (*text_of_sites)[SITE_LENGTH];

struct texts {
    const struct probe_target *target;
    text_of_sites *of; /* for each of the target's loaded objects; NULL where none is needed */
};

/* Finds those of the snapshot's sites. Errors: ENOMEM, EIO, those of opening the objects' files. */
int texts_init(struct probe_target *target, const struct probe_snapshot *snapshot,
               struct texts *texts, struct probe_error *error);
/* Those of patched sites alone, and only of files that can be read. Errors: ENOMEM. */
int texts_init_patched(struct probe_target *target, const struct probe_snapshot *snapshot,
                       struct texts *texts);
void texts_done(struct texts *texts);

/* The bytes of one site, or NULL; DATA is the texts: a plan_file_bytes. */
const uint8_t *texts_of_site(void *data, const struct snapshot_site *site);

#endif
