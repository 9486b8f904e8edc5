/* SPDX-License-Identifier: MIT */
/*
 * The holds on one target: references that last as long as a file is open. Guarded by the target's
 * lock.
 */
#ifndef PROBEFS_HOLDS_H
#define PROBEFS_HOLDS_H

#include <probe-engine.h>

struct hold;

struct holds {
    struct hold *list;
};

/* Adds a reference to probe INDEX, which is NAME. Errors: those of an update; ENOMEM. */
int holds_add(struct holds *holds, struct probe_target *target, size_t index, const char *name,
              struct hold **hold, struct probe_error *error);

/* What holds_take_over() needs, as bytes to be freed. Errors: ENOMEM. */
int holds_save(const struct hold *hold, char **bytes, size_t *length);
/* Goes on with a hold that was saved, and adds nothing. Errors: EINVAL; ENOMEM. */
int holds_take_over(struct holds *holds, const char *bytes, size_t length, const char *name,
                    struct hold **hold);

/*
 * Takes it away again, unless its claim has ended or TARGET is NULL (it cannot be reached), and
 * frees HOLD. What it leaves is for probe_reference_give_children(): the reference, and its name,
 * which are for the caller to free. Errors: those of an update; after ENOMEM and
 * EINPROGRESS all is as before.
 */
int holds_release(struct holds *holds, struct probe_target *target, struct hold *hold,
                  struct probe_reference **reference, char **name, struct probe_error *error);

/* Somebody set the counters of probe NAME: the holds there are have nothing to take away. */
void holds_end_claims(struct holds *holds, const char *name);

/* How many holds of NAME have a claim. */
size_t holds_count(const struct holds *holds, const char *name);

#endif
