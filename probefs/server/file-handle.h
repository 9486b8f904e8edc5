/* SPDX-License-Identifier: MIT */
/* One open file as a handle in a service: each function makes one call of the service. */
#ifndef PROBEFS_FILE_HANDLE_H
#define PROBEFS_FILE_HANDLE_H

#include "server/server.h"

/* An open file of a process, on the server's side. */
struct file {
    struct inode *inode;
    const struct node_kind *kind;
    struct route route;
    uint64_t handle;
    bool write;
    atomic_bool cut; /* its last write did not end its line: a flush may have something to do */
    struct hold_entry held; /* in the target's list, where this is a hold */
    pthread_mutex_t lock;   /* guards what follows: reads of one file come at the same time, too */
    char *text;             /* what the server made of a read: see has_failures */
    size_t length;
    struct file *prev, *next; /* of a user's holds that wait to be closed */
};

/* Does it take away a reference when it is closed? */
bool file_is_hold(const struct file *file);

/* Makes CALL a call of OPERATION on FILE, without a payload. */
void file_handle_init_call(struct call *call, const struct file *file, enum operation operation);
/* Makes CALL by ROUTE; its sentence is the error's. Errors: those of the service. */
int file_handle_call(struct server *server, const struct route *route, struct call *call,
                     struct probe_error *error);

/*
 * Opens the handle of FILE, whose route and inode are known; CALL brings, and gets, a payload.
 * Errors: those of the service; where FILE has a handle all the same, it has to be closed.
 */
int file_handle_open(struct server *server, struct file *file, struct call *call,
                     struct probe_error *error);
/* Opens a hold again, as BYTES from its first open say, by its route. Errors: as for open. */
int file_handle_reopen(struct server *server, struct file *file, const char *bytes, size_t length,
                       struct probe_error *error);

/* At most SIZE bytes from OFFSET on, to be freed. Errors: those of the service; EIO. */
int file_handle_read(struct server *server, struct file *file, uint64_t offset, size_t size,
                     char **bytes, size_t *length, struct probe_error *error);

/* Closes what is open in the service, and nothing else. Errors: those of the service. */
int file_handle_close(struct server *server, struct file *file, struct probe_error *error);

#endif
