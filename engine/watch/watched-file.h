/* SPDX-License-Identifier: MIT */
/* May the kernel be asked to watch code of a file? */
#ifndef ENGINE_WATCHED_FILE_H
#define ENGINE_WATCHED_FILE_H

#include "process/image.h"

/*
 * The kernel reads the file while it attaches, and then nothing ends that: if the file's server
 * never answers, no process of the machine forks any more. So files of a FUSE mount are refused,
 * and those of an overlay that a user may have put over one. Errors: EOPNOTSUPP.
 */
int watched_file_check(const struct probe_engine *engine, const struct probe_image *image, int fd,
                       const char *path, struct probe_error *error);

#endif
