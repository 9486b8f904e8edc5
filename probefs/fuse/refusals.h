/* SPDX-License-Identifier: MIT */
/* The FUSE operations that the tree does not allow: each has a real answer, ENOENT or EPERM. */
#ifndef PROBEFS_REFUSALS_H
#define PROBEFS_REFUSALS_H

#include "fuse/libfuse.h"

void refuse_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                   struct fuse_file_info *info);
void refuse_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                  dev_t device);
void refuse_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void refuse_removal(fuse_req_t request, fuse_ino_t parent, const char *name);
void refuse_symlink(fuse_req_t request, const char *path, fuse_ino_t parent, const char *name);
void refuse_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                   const char *new_name, unsigned int flags);
void refuse_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char *name);

#endif
