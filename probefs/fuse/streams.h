/* SPDX-License-Identifier: MIT */
/*
 * Open streams. A read that finds nothing is parked: no thread waits in it. One thread waits for
 * what workers send, for all streams, and answers those reads; an interrupted one it answers with
 * EINTR.
 */
#ifndef PROBEFS_STREAMS_H
#define PROBEFS_STREAMS_H

#include "fuse/libfuse.h"
#include "server/file.h"

/* Errors: ENOMEM, EMFILE, EAGAIN. */
int streams_new(struct server *server, struct streams **streams);
/* Answers what is parked, as the session has ended. */
void streams_end(struct streams *streams);
/* The same, and frees it all; no stream may be open. NULL is fine. */
void streams_free(struct streams *streams);

/* Makes FILE, which was opened, a stream: nothing is watched yet. Errors: ENOMEM. */
int stream_open(struct server *server, struct file *file, struct probe_error *error);
/* Ends it: nothing is watched any more. No read may be parked. */
void stream_close(struct server *server, struct file *file);

/* Answers REQUEST, which is for SIZE bytes of node NUMBER, now or later. */
void stream_read(fuse_req_t request, struct file *file, uint64_t number, size_t size,
                 bool nonblocking);

/* Answers REQUEST, and tells HANDLE (may be NULL) of all that comes from now on. */
void stream_poll(fuse_req_t request, struct file *file, struct fuse_pollhandle *handle);

/*
 * Chooses probes. Errors: EINVAL, and always for a probe's own stream; EBUSY it is read already;
 * ENOENT; those of the service.
 */
int stream_write(struct file *file, const char *names, size_t length, struct probe_error *error);

#endif
