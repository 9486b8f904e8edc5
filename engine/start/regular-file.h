/* SPDX-License-Identifier: MIT */
/* Opening files that others chose the paths of. */
#ifndef ENGINE_REGULAR_FILE_H
#define ENGINE_REGULAR_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Opens the regular file at PATH for reading, and tells its STATUS (NULL: not wanted). Whatever
 * else may be at that path is never opened: opening a device can have effects, and opening a FIFO
 * can wait. Returns a descriptor, or a negative errno value: EACCES it is no regular file; those of
 * open().
 */
int regular_file_open(const char *path, struct stat *status);

/* Does this error say that descriptors or memory are lacking, and nothing of the file? */
bool regular_file_lacks(int status);

#endif
