/* SPDX-License-Identifier: MIT */
/*
 * Programs that run those of other processors: QEMU's for user space. What they run is data to the
 * kernel, with code that this processor never executes, so there is no probe to switch in it.
 */
#ifndef ENGINE_EMULATOR_H
#define ENGINE_EMULATOR_H

#include <stdbool.h>

/* Is PATH, which may end in " (deleted)", called as one of them (qemu-aarch64, qemu-arm-static)? */
bool emulator_is_name(const char *path);

#endif
