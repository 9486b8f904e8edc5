/* SPDX-License-Identifier: MIT */
/* The library's header, in the version that all of the server speaks. */
#ifndef PROBEFS_LIBFUSE_H
#define PROBEFS_LIBFUSE_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#endif
