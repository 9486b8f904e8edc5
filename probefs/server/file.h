/* SPDX-License-Identifier: MIT */
/* Open files of processes. */
#ifndef PROBEFS_FILE_H
#define PROBEFS_FILE_H

#include "server/file-handle.h"

/*
 * Opens the node of KIND in INODE for CALLER. Errors: ESTALE the target, or the probe, has gone;
 * EACCES, EPERM; those of the service. If FILE has a hold all the same, as there was no memory to
 * undo that, it has to be closed.
 */
int file_open(struct server *server, struct inode *inode, const struct node_kind *kind,
              const struct caller *caller, bool write, struct file *file,
              struct probe_error *error);

/*
 * Counts FILE, which is to stay open, for the budget of USER, and ends that. Errors: EMFILE,
 * ENOMEM.
 */
int file_count(struct server *server, struct file *file, uid_t user, struct probe_error *error);
void file_uncount(struct server *server, struct file *file);

/* Drops the line that no write has ended. */
void file_forget_cut(struct server *server, struct file *file);

/* Closes it. For a hold, file_expect_close() must have been called when the request came. */
void file_close(struct server *server, struct file *file);
void file_expect_close(struct file *file);

/* The same for one that was allocated, which is freed; a hold perhaps later, by another thread. */
void file_release(struct server *server, struct file *file);

/* At most SIZE bytes from OFFSET on, to be freed. Errors: ESRCH; those of the service. */
int file_read(struct server *server, struct file *file, uint64_t offset, size_t size, char **bytes,
              size_t *length, struct probe_error *error);

/* One write by OWNER. Errors: ESRCH; those of the service. */
int file_write(struct server *server, struct file *file, uint64_t owner, const char *bytes,
               size_t length, struct probe_error *error);

/* OWNER has closed a descriptor of it. Errors: those of the service. */
int file_flush(struct server *server, struct file *file, uint64_t owner, struct probe_error *error);
/* May there be something to do then? */
bool file_needs_flush(const struct file *file);

/* May CALLER look into the directory INODE, and is its target still there? Errors: as for open. */
int file_check(struct server *server, struct inode *inode, const struct caller *caller,
               struct probe_error *error);

#endif
