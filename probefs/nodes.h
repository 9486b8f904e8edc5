/* SPDX-License-Identifier: MIT */
/* The contents of the files, one node-*.c each. See node_kinds in tree.c for where they stand. */
#ifndef PROBEFS_NODES_H
#define PROBEFS_NODES_H

#include "service-file.h"

#include <stdio.h>

/* Directories read as the names in them, each ended by a NUL. */
int node_process_list(struct service_file *file, FILE *out, struct probe_error *error);

/* exe: the program's path, without a newline. */
int node_exe_read(struct service_file *file, FILE *out, struct probe_error *error);

/* enabled, of a probe and of a process. */
int node_enabled_read(struct service_file *file, FILE *out, struct probe_error *error);
int node_enabled_write(struct service_file *file, const char *text, size_t length,
                       struct probe_error *error);

#endif
