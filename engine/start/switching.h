/* SPDX-License-Identifier: MIT */
/* Which probes of a program that starts are switched, and whether any was. */
#ifndef ENGINE_SWITCHING_H
#define ENGINE_SWITCHING_H

#include "probe-engine.h"

struct switching {
    const struct probe_launch_options *options;
    /* For each pattern, those of what is switched on first: did it ever match a probe? */
    bool *matched;
};

/* Prepares SWITCHING for one start. Errors: ENOMEM. */
int switching_init(struct switching *switching, const struct probe_launch_options *options);
void switching_done(struct switching *switching);

/* How many patterns there are, and the I-th, for switching on or off. */
size_t switching_count(const struct switching *switching);
const char *switching_pattern(const struct switching *switching, size_t i);

/* Has any pattern matched? */
bool switching_any(const struct switching *switching);

/*
 * Which of the probes that TARGET has now are meant, those included that cannot be switched? Sets
 * ON and OFF, of probe_target_count(), for those of the two kinds of patterns; OFF wins. Errors:
 * EINVAL no such pattern; ENOMEM.
 */
int switching_match(struct switching *switching, const struct probe_target *target, bool *on,
                    bool *off, struct probe_error *error);

/*
 * Switches what the patterns mean among the probes that TARGET has now. That may be none: a pattern
 * may mean a library that is not loaded yet. Errors: those of probe_target_look() and of an update.
 */
int switching_apply(struct switching *switching, struct probe_target *target,
                    struct probe_error *error);

#endif
