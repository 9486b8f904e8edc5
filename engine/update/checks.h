/* SPDX-License-Identifier: MIT */
/* What has to be true of a target before an update writes. Each returns 0, or an error as said. */
#ifndef ENGINE_CHECKS_H
#define ENGINE_CHECKS_H

#include "target/snapshot.h"
#include "update/update.h"

/* Are the update's indices still valid? Errors: EAGAIN objects came or went. */
int update_check_generation(const struct probe_update *update, struct probe_error *error);

/*
 * Makes sure that the files behind the counters are their objects': unlike a site, a counter has no
 * bytes that prove it is one. Errors: EAGAIN objects came or went.
 */
int update_verify_files(struct probe_update *update, const struct probe_snapshot *snapshot,
                        struct probe_error *error);

/* Makes sure that the mappings and files to be written are as known. Errors: EAGAIN as above. */
int update_verify_mappings(struct probe_update *update, const struct probe_snapshot *snapshot,
                           struct probe_error *error);

/*
 * Is every address in memory that may be written as its object's? Errors: EACCES it is not; EFBIG
 * code on pages of 1 GiB.
 */
int update_check_addresses(const struct probe_target *target, const struct probe_snapshot *snapshot,
                           struct probe_error *error);

#endif
