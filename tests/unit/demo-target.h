/* SPDX-License-Identifier: MIT */
/* A process with probes, for tests of what looks at processes: tests/targets/demo.c. */
#ifndef UNIT_DEMO_TARGET_H
#define UNIT_DEMO_TARGET_H

#include <sys/types.h>

/* Where the program is. */
const char *demo_target_path(void);

/* Starts it; its probes are off, and it does next to nothing. */
pid_t demo_target_start(void);
void demo_target_end(pid_t target);

#endif
