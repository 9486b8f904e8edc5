/* SPDX-License-Identifier: MIT */
/* READDIR and READDIRPLUS: an open directory, piece by piece. */
#ifndef PROBEFS_READDIR_H
#define PROBEFS_READDIR_H

#include "fuse/libfuse.h"

#include <stdbool.h>

/* Answers with the entries from OFFSET on; PLUS: and their attributes, which counts as look-ups. */
void readdir_serve(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                   struct fuse_file_info *info, bool plus);

#endif
