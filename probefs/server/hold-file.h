/* SPDX-License-Identifier: MIT */
/*
 * `hold` as a file: it takes a reference when it is opened for writing, and whatever sets counters
 * ends the claims of the holds there are.
 */
#ifndef PROBEFS_HOLD_FILE_H
#define PROBEFS_HOLD_FILE_H

#include "server/file-handle.h"

/* What begins now is to see what was closed before. Errors: ETIMEDOUT. */
int hold_file_wait(struct target *target, struct probe_error *error);

/* Takes the reference of FILE, whose route is known. Errors: as for file_open(). */
int hold_file_open(struct server *server, struct file *file, struct probe_error *error);

/* How many holds there are: as file_read(). */
int hold_file_read(struct server *server, struct file *file, uint64_t offset, size_t size,
                   char **bytes, size_t *length, struct probe_error *error);

/*
 * Makes CALL, which may set counters: then the holds on them lose their claims, whichever worker
 * keeps them. Frees the reply's payload. Errors: ETIMEDOUT; those of the service.
 */
int hold_file_change(struct server *server, struct file *file, struct call *call,
                     struct probe_error *error);

#endif
