/* SPDX-License-Identifier: MIT */
/* Inside the engine: what can be done with an open image. See probe-engine.h for what one is. */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "engine.h"
#include "process/maps.h"

#include <sys/stat.h>

/*
 * Is the image still the one that its process runs? 0; ESRCH it has gone; or an error of asking
 * (EMFILE, say). An image that was opened by somebody else is only known by its descriptors, which
 * answer for themselves.
 */
int image_check(const struct probe_engine *engine, const struct probe_image *image,
                struct probe_error *error);

/* Would the kernel, at this moment, let this process read and write the image's? See
 * probe_target_ask(). */
int image_ask(const struct probe_image *image);

/* The program's path, as /proc shows it: its length (no NUL), or a negative errno value. */
ssize_t image_exe(const struct probe_engine *engine, const struct probe_image *image, char *path,
                  size_t size);

/*
 * Is the program the file at PATH? Returns 0, -ESTALE where it is another, or another negative
 * errno value.
 */
int image_runs(const struct probe_engine *engine, const struct probe_image *image,
               const char *path);

/*
 * Opens for reading the very file that is mapped at MAPPING, and no other that took its path.
 * Errors: those of opening; ENOENT, ESTALE it cannot be reached any more.
 */
int image_open_file(const struct probe_engine *engine, const struct probe_image *image,
                    const struct mapping *mapping);

/*
 * What the kernel knows of the file that PID has mapped at MAPPING: its number, size and times. A
 * file server that hangs is not waited for. The caller raises CAP_CHECKPOINT_RESTORE. Errors:
 * EACCES, EPERM without it; ENOENT the mapping is another by now.
 */
int image_stat_mapped(const struct probe_engine *engine, pid_t pid, const struct mapping *mapping,
                      struct stat *status);

/* The same of an image's file, by whatever way there is. Errors: also those of image_open_file().
 */
int image_stat_file(const struct probe_engine *engine, const struct probe_image *image,
                    const struct mapping *mapping, struct stat *status);

/* Is the file that STATUS is of the image's program? */
bool image_is_program(const struct probe_engine *engine, const struct probe_image *image,
                      const struct stat *status);

/*
 * The path of the file that is mapped at MAPPING, as it is, into PATH of SIZE, NUL-ended; returns
 * its length. (Text of maps does not tell an escaped newline from a name with such bytes in it.)
 */
size_t image_mapping_path(const struct probe_engine *engine, const struct probe_image *image,
                          const struct mapping *mapping, char *path, size_t size);

#endif
