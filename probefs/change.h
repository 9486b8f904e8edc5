/* SPDX-License-Identifier: MIT */
/* One value for one probe or for all of a process, as one update. */
#ifndef PROBEFS_CHANGE_H
#define PROBEFS_CHANGE_H

#include "service-file.h"
#include "value.h"

/* Errors: those of an update; ENOENT the probe went away. */
int change_apply(struct service_file *file, struct value value, struct probe_error *error);

#endif
