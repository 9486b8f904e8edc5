/* SPDX-License-Identifier: MIT */
/* How long an update may wait, for a lock and for threads to stop together: durations. */
#ifndef ENGINE_DEADLINE_H
#define ENGINE_DEADLINE_H

#include "shared/clock.h"

/* Less than a second, so that a client that waits for one second still hears why it failed. */
#define DEADLINE_OF_UPDATE (850 * CLOCK_MILLISECOND)

/* For a stop by somebody else, who is asked for it in an update. */
#define DEADLINE_OF_STOP (700 * CLOCK_MILLISECOND)

/* For a stop that is tried, and done without if it does not come soon. */
#define DEADLINE_OF_TRY (100 * CLOCK_MILLISECOND)

/* What a thread gets beyond its own deadline before it is given up. */
#define DEADLINE_SLACK (50 * CLOCK_MILLISECOND)

#endif
