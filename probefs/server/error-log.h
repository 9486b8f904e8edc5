/* SPDX-License-Identifier: MIT */
/*
 * error_log: what failed on a target, which the server keeps, and what was left out of its probes,
 * which the service knows.
 */
#ifndef PROBEFS_ERROR_LOG_H
#define PROBEFS_ERROR_LOG_H

#include "server/file-handle.h"

/* As file_read(). */
int error_log_read(struct server *server, struct file *file, uint64_t offset, size_t size,
                   char **bytes, size_t *length, struct probe_error *error);

#endif
