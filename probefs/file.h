/* SPDX-License-Identifier: MIT */
/* An open file of a process, on the server's side: a handle in some service. */
#ifndef PROBEFS_FILE_H
#define PROBEFS_FILE_H

#include "server.h"

struct file {
    struct inode *inode;
    const struct node_kind *kind;
    struct route route;
    uint64_t handle;
    bool write;
    atomic_bool cut; /* its last write did not end its line: a flush may have something to do */
    struct held_file held; /* in the target's list, where this is a hold */
    pthread_mutex_t lock;  /* guards what follows: reads of one file come at the same time, too */
    char *text;            /* what the server made of a read: see has_failures */
    size_t length;
    struct file *prev, *next; /* of a user's holds that wait to be closed */
};

/*
 * Opens the node of KIND in INODE for CALLER. Errors: ESTALE the target, or the probe, has gone;
 * EACCES, EPERM; those of the service. Where FILE has a handle after ENOMEM, it is a hold that is
 * open all the same, as there was no memory to undo that: it has to be closed.
 */
int file_open(struct server *server, struct inode *inode, const struct node_kind *kind,
              const struct caller *caller, bool write, struct file *file,
              struct probe_error *error);

/* Opens a hold again, as BYTES from its first open say, by its route. Errors: as for open. */
int file_reopen(struct server *server, struct file *file, const char *bytes, size_t length,
                struct probe_error *error);

/* Does it take away a reference when it is closed? */
bool file_is_hold(const struct file *file);
/* Closes what is open in the service, and nothing else. Errors: those of the service. */
int file_close_handle(struct server *server, struct file *file, struct probe_error *error);

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
