/* SPDX-License-Identifier: MIT */
/* An open file of a process, on the server's side: a handle in some service. */
#ifndef PROBEFS_FILE_H
#define PROBEFS_FILE_H

#include "server.h"

struct file {
    struct inode *inode;
    struct route route;
    uint64_t handle;
};

/*
 * Opens the node of KIND in INODE for CALLER. Errors: ESTALE the target, or the probe, has gone;
 * EACCES, EPERM; those of the service.
 */
int file_open(struct server *server, struct inode *inode, unsigned int kind,
              const struct caller *caller, bool write, struct file *file,
              struct probe_error *error);
void file_close(struct server *server, struct file *file);

/* At most SIZE bytes from OFFSET on, to be freed. Errors: ESRCH; those of the service. */
int file_read(struct server *server, struct file *file, uint64_t offset, size_t size, char **bytes,
              size_t *length, struct probe_error *error);

/* One write. Errors: ESRCH; those of the service. */
int file_write(struct server *server, struct file *file, const char *bytes, size_t length,
               struct probe_error *error);

/* May CALLER look into the directory INODE, and is its target still there? Errors: as for open. */
int file_check(struct server *server, struct inode *inode, const struct caller *caller,
               struct probe_error *error);

#endif
