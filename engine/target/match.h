/* SPDX-License-Identifier: MIT */
/* The names of a target's probes, for patterns. */
#ifndef ENGINE_MATCH_H
#define ENGINE_MATCH_H

#include "names/select.h"
#include "target/target.h"

/* Room for what sentences call the target. */
enum { MATCH_OWNER_SIZE = 32 };

struct select_names match_names(const struct probe_target *target, char owner[MATCH_OWNER_SIZE]);

#endif
