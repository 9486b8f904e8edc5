/* SPDX-License-Identifier: MIT */
/*
 * Probes that are chosen by a text of names, parted by blanks and newlines: names, globs, regexes
 * and pairs, as in `control`. What stands behind a word that begins with # is a comment.
 */
#ifndef PROBEFS_CHOSEN_H
#define PROBEFS_CHOSEN_H

#include <probe-engine.h>

/*
 * Sets CHOSEN, of as many as TARGET has probes, for each that LENGTH bytes of TEXT name. Returns
 * how many words there are. Errors: ENOENT a word names none; EINVAL no such pattern, or no text;
 * ENOMEM.
 */
int chosen_match(const struct probe_target *target, const char *text, size_t length, bool *chosen,
                 struct probe_error *error);

/*
 * The indices of those that are named now, to be freed; names that mean none are passed over. No
 * TEXT chooses all.
 */
int chosen_find(const struct probe_target *target, const char *text, size_t length,
                size_t **indices, size_t *count);

#endif
