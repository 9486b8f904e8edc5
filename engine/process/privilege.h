/* SPDX-License-Identifier: MIT */
/* Capabilities that a thread may have but keeps lowered until it needs them. */
#ifndef ENGINE_PRIVILEGE_H
#define ENGINE_PRIVILEGE_H

#include <stdbool.h>
#include <sys/capability.h>

/*
 * Raises CAPABILITY for the calling thread, where it is permitted and not in effect. Returns
 * whether it was raised, to be handed to privilege_lower().
 */
bool privilege_raise(cap_value_t capability);
void privilege_lower(cap_value_t capability, bool raised);

#endif
