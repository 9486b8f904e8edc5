/* SPDX-License-Identifier: MIT */
/* What the engine does with an open image. probe-engine.h says what an image is. */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "engine.h"
#include "process/maps.h"

#include <sys/stat.h>

/*
 * Is the image still the one that its process runs? 0; ESRCH it has gone; or an error of asking
 * (EMFILE, say). An image that was opened by somebody else is only known by its descriptors, which
 * answer for themselves. Where the thread that it was reached by has ended, and others go on, it is
 * reached by one of these from then on.
 */
int image_check(const struct probe_engine *engine, struct probe_image *image,
                struct probe_error *error);

/*
 * Would the kernel let us read and write the image's memory now? See probe_target_ask(). Where Yama
 * has to be tried, no.
 */
int image_ask(const struct probe_engine *engine, const struct probe_image *image);

/* The program's path, as /proc shows it: its length (no NUL), or a negative errno value. */
ssize_t image_exe(const struct probe_engine *engine, const struct probe_image *image, char *path,
                  size_t size);

/* Is PATH the file of the program? 0; ESTALE it is another file; or an error of asking. */
int image_runs(const struct probe_engine *engine, const struct probe_image *image,
               const char *path);

/*
 * Opens the file that is mapped at MAPPING for reading, and never another that took its path.
 * Errors: those of open(); ENOENT, ESTALE the file cannot be reached any more.
 */
int image_open_file(const struct probe_engine *engine, const struct probe_image *image,
                    const struct mapping *mapping);

/*
 * Number, size and times of the file that PID has mapped at MAPPING, as the kernel has them cached:
 * never waits for a file server. The caller raises CAP_CHECKPOINT_RESTORE. Errors: EACCES, EPERM
 * without it; ENOENT the mapping has changed.
 */
int image_stat_mapped(const struct probe_engine *engine, pid_t pid, const struct mapping *mapping,
                      struct stat *status);

/* The same of an image's file, by any way that works. Errors: also those of image_open_file(). */
int image_stat_file(const struct probe_engine *engine, const struct probe_image *image,
                    const struct mapping *mapping, struct stat *status);

/* Does STATUS describe the file of the image's program? */
bool image_is_program(const struct probe_engine *engine, const struct probe_image *image,
                      const struct stat *status);

/*
 * Copies the exact path of the file mapped at MAPPING into PATH of SIZE, NUL-ended; returns its
 * length. (The text of maps cannot tell an escaped newline from a name with those four bytes.)
 */
size_t image_mapping_path(const struct probe_engine *engine, const struct probe_image *image,
                          const struct mapping *mapping, char *path, size_t size);

#endif
