/* SPDX-License-Identifier: MIT */
/* One open file, and the calls that are made for it. */
#ifndef PROBEFS_FILE_HANDLE_H
#define PROBEFS_FILE_HANDLE_H

#include "server/cut-line.h"
#include "server/server.h"

struct stream;

/* An open file of a process. What it says and does is up to workers, which do not know of it. */
struct file {
    struct inode *inode;
    const struct node_kind *kind;
    struct route route;
    uint64_t number; /* what requests call it: never used again */
    bool write;
    uid_t user;       /* who opened it, and whose budget it counts for */
    size_t counted;   /* so much memory of that; 0: it is not counted, as it is closed at once */
    atomic_bool lent; /* it was opened with an image that was lent */
    atomic_bool has_text;     /* a worker keeps the rest of what was read */
    atomic_uint_fast64_t end; /* where what was read last ends; 0: not known */
    atomic_bool is_cut;       /* a hint: `cut` is not empty */
    struct hold_entry held;   /* in the target's list, if this is a hold */
    pthread_mutex_t lock; /* guards what follows: calls for one file come at the same time, too */
    struct cut_line cut;
    struct stream *stream;     /* if it is one: see fuse/streams.h */
    struct shared_bytes *text; /* what the server made of a read: see has_failures */
    struct file *prev, *next;  /* of a user's holds that wait to be closed */
};

/* Is it one that holds a reference, once it is open? */
bool file_is_hold(const struct file *file);
/* Does it hold one? */
bool file_has_hold(const struct file *file);

/* Makes CALL a call of OPERATION on FILE, without a payload. */
void file_handle_init_call(struct call *call, const struct file *file, enum operation operation);
/* Makes CALL by the file's route; its sentence is the error's. Errors: those of router_call(). */
int file_handle_call(struct server *server, struct file *file, struct call *call,
                     struct probe_error *error);

/* May FILE be opened now? Errors: those of the service. */
int file_handle_open(struct server *server, struct file *file, struct probe_error *error);

/* At most SIZE bytes from OFFSET on, to be freed. Errors: those of the service; EIO. */
int file_handle_read(struct server *server, struct file *file, uint64_t offset, size_t size,
                     char **bytes, size_t *length, struct probe_error *error);

/* Has the text dropped that a worker may keep for FILE. */
void file_handle_close(struct server *server, struct file *file);

#endif
