/* SPDX-License-Identifier: MIT */
/* Capabilities that a thread is permitted, but raises only while it needs them. */
#ifndef ENGINE_PRIVILEGE_H
#define ENGINE_PRIVILEGE_H

#include <stdbool.h>
#include <sys/capability.h>

/*
 * Raises CAPABILITY for the calling thread, if it is permitted and not yet effective. Returns
 * whether it did, for privilege_lower().
 */
bool privilege_raise(cap_value_t capability);
void privilege_lower(cap_value_t capability, bool raised);

/* Has the calling thread CAPABILITY in its effective set? */
bool privilege_is_in_effect(cap_value_t capability);

#endif
