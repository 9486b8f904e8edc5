/* SPDX-License-Identifier: MIT */
/* The contents of the files. See node_kinds in tree.c for where they stand. */
#ifndef PROBEFS_NODES_H
#define PROBEFS_NODES_H

#include "nodes/node-file.h"

/*
 * Directories read as the names in them, each ended by a NUL, and with a WATCH_ONLY_MARK before it
 * where the probe has no semaphore.
 */
int node_process_list(struct node_file *file, FILE *out, struct probe_error *error);

/* exe: the program's path, without a newline. */
int node_exe_read(struct node_file *file, FILE *out, struct probe_error *error);

/* enabled, of a probe and of a process. */
int node_enabled_read(struct node_file *file, FILE *out, struct probe_error *error);
int node_enabled_write(struct node_file *file, const char *text, size_t length,
                       struct probe_error *error);

/* semaphore */
int node_semaphore_read(struct node_file *file, FILE *out, struct probe_error *error);
int node_semaphore_write(struct node_file *file, const char *text, size_t length,
                         struct probe_error *error);

/* hold */
int node_hold_read(struct node_file *file, FILE *out, struct probe_error *error);
int node_hold_write(struct node_file *file, const char *text, size_t length,
                    struct probe_error *error);

/* sites, of a probe, and info, of a process */
int node_sites_read(struct node_file *file, FILE *out, struct probe_error *error);
int node_info_read(struct node_file *file, FILE *out, struct probe_error *error);

/* control */
int node_control_read(struct node_file *file, FILE *out, struct probe_error *error);
int node_control_write(struct node_file *file, const char *text, size_t length,
                       struct probe_error *error);

/* hits, of a probe and of a process */
int node_hits_read(struct node_file *file, FILE *out, struct probe_error *error);
int node_hits_write(struct node_file *file, const char *text, size_t length,
                    struct probe_error *error);

/* The names of probes that a process's stream is to show. */
int node_stream_write(struct node_file *file, const char *text, size_t length,
                      struct probe_error *error);

/* error_log: what of the process's probes is not shown, and why; a sentence a line. */
int node_error_log_read(struct node_file *file, FILE *out, struct probe_error *error);

/*
 * The counters of the snapshot's I-th probe: one number where they agree, else all, by commas; '-'
 * where there is none.
 */
void node_print_counters(const struct probe_snapshot *snapshot, size_t i, FILE *out);
/* '0', '1', 'X', or '-' where there is nothing to switch. */
char node_state_letter(enum probe_state state);

#endif
