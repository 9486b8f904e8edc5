/* SPDX-License-Identifier: MIT */
/*
 * The reader's end of a BPF ring buffer, for whoever holds its descriptor: no capability and no
 * library is needed. The layout is the kernel's (kernel/bpf/ringbuf.c): one page with the reader's
 * position, which is the reader's to write, one with the writers', and the data, mapped twice in a
 * row so that no record is torn.
 */
#ifndef ENGINE_WATCH_RING_H
#define ENGINE_WATCH_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    void *reader; /* its page */
    void *writer; /* theirs, and the data */
    size_t size;  /* of the data: a power of two */
    size_t mapped;
    const void *data;
    uint64_t position; /* of the reader, */
    uint64_t told;     /* as the writers know it */
    uint64_t end;      /* of the writers, when it was looked at last */
};

/* Maps the ring FD of SIZE. Errors: those of mmap(). */
int ring_open(int fd, size_t size, struct ring *ring);
/* What ring_open() mapped; a ring that is all zero is none. */
void ring_close(struct ring *ring);

/* The next record and its length, or NULL: there is none yet. It stays until ring_pass(). */
const void *ring_next(struct ring *ring, size_t *length);
/* Gives the room of the record that ring_next() returned back to the writers, soon. */
void ring_pass(struct ring *ring, size_t length);

/* Have all records been read, those that are being written included? */
bool ring_is_empty(const struct ring *ring);

#endif
