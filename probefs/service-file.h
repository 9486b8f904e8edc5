/* SPDX-License-Identifier: MIT */
/* An open file as its contents see it: which target, which probe, and what was written before. */
#ifndef PROBEFS_SERVICE_FILE_H
#define PROBEFS_SERVICE_FILE_H

#include <probe-engine.h>

struct service_file {
    struct probe_target *target; /* locked, attached and looked at while a function is called */
    const char *probe;           /* its name, or NULL where the file belongs to the process */
};

/*
 * The index of the file's probe in its target, or -ENOENT where it went away with its library.
 */
ssize_t service_file_probe(const struct service_file *file, struct probe_error *error);

#endif
