/* SPDX-License-Identifier: MIT */
/* What a worker sends for a stream, a reader's to take: lines, then how it ended. */
#ifndef PROBEFS_STREAM_INPUT_H
#define PROBEFS_STREAM_INPUT_H

#include <probe-engine.h>

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream_input {
    int socket;                  /* the worker's packets come from here: see stream-packet.h */
    pid_t pid;                   /* whose probes fire */
    char *packet;                /* what came last, or NULL */
    size_t at, length;           /* what is left of it */
    bool has_ended;              /* nothing follows what is left; then: */
    int status;                  /* 0 or -errno, which is told by */
    struct probe_error sentence; /* this */
};

void stream_input_init(struct stream_input *input, int socket, pid_t pid);
void stream_input_done(struct stream_input *input);

/* Is there anything to be taken, the end included? Does not wait. */
bool stream_input_is_ready(struct stream_input *input);

/*
 * Moves what is there to BYTES of SIZE: whole lines, unless the first is longer than SIZE. Returns
 * its length. 0: nothing has come, or it has ended.
 */
size_t stream_input_take(struct stream_input *input, char *bytes, size_t size);

#endif
