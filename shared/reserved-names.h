/* SPDX-License-Identifier: MIT */
/*
 * The names that a process's directory has for files of its own. No probe beside them may be shown
 * under one, so the server hands them to its engine; and probe-run to its own, as people are to
 * find one name for one probe in both.
 */
#ifndef SHARED_RESERVED_NAMES_H
#define SHARED_RESERVED_NAMES_H

#include <stddef.h>

static const char *const reserved_names[] = {
    "exe", "enabled", "info", "control", "error_log", "hits", "trace", NULL,
};

#endif
