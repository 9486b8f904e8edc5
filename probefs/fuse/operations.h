/* SPDX-License-Identifier: MIT */
/* The operations table, for fuse_session_new() with a struct server. */
#ifndef PROBEFS_OPERATIONS_H
#define PROBEFS_OPERATIONS_H

#include "fuse/libfuse.h"

extern const struct fuse_lowlevel_ops operations;

#endif
