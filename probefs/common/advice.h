/* SPDX-License-Identifier: MIT */
/* What helps against a failure of the engine's, as somebody who mounts the tree can do it. */
#ifndef PROBEFS_ADVICE_H
#define PROBEFS_ADVICE_H

#include <probe-engine.h>

/* Adds to the sentence what its reason calls for, once. */
void advice_add(struct probe_error *error);

#endif
