/* SPDX-License-Identifier: MIT */
/*
 * The memory of an image: many small reads in few calls, and two kinds of writes.
 *
 * Reads by pid (process_vm_readv) are fastest, but the pid may run another image by then: callers
 * ask image_check() afterwards, and believe nothing before. Writes go through the mem descriptor,
 * which is bound to the image, or to a thread that the caller has stopped and then found to be of
 * the image.
 */
#ifndef ENGINE_MEMORY_H
#define ENGINE_MEMORY_H

#include "process/image.h"

/* Memory to read: LENGTH bytes at ADDRESS go to BYTES. */
struct memory_piece {
    uint64_t address;
    size_t length;
    uint8_t *bytes;
};

/*
 * Reads COUNT pieces, which it sorts by address first. Errors: EFAULT a page is not there; ESRCH
 * the image has gone; ENOMEM; EIO.
 */
int memory_read(const struct probe_image *image, struct memory_piece *pieces, size_t count,
                struct probe_error *error);

/* Reads LENGTH bytes at ADDRESS. Errors: EFAULT not all of them can be read. */
int memory_read_span(const struct probe_image *image, uint64_t address, size_t length,
                     uint8_t *bytes);

/* How memory is written. */
enum memory_way {
    MEMORY_RUNNING, /* through the mem descriptor, while the process runs */
    /* All threads are stopped: also as their tracer, if the kernel refuses mem. */
    MEMORY_STOPPED,
    MEMORY_SELF, /* the process is the caller itself */
};

/* What the kernel refused to write through the mem descriptor. */
struct memory_refusals {
    bool code;     /* forced writes: proc_mem.force_override, say */
    bool counters; /* any writes */
};

struct memory_writer {
    const struct probe_image *image;
    enum memory_way way;
    pid_t tid; /* a thread of the image; if MEMORY_STOPPED, a stopped one, or 0 */
    /* If MEMORY_STOPPED by somebody else: whom to ask, else NULL. */
    const struct probe_tracer *tracer;
    const struct maps *maps;          /* the image's mappings, for the permissions of code */
    struct memory_refusals *refusals; /* what was refused once is not tried again */
};

/*
 * Writes a counter with a single write. Errors: ESRCH the image has gone; EACCES it is not open for
 * writing; EROFS the kernel refuses it (stop the process, and use MEMORY_STOPPED); EFAULT, EPERM,
 * EIO.
 */
int memory_write_counter(const struct memory_writer *writer, uint64_t address, uint16_t value,
                         struct probe_error *error);

/*
 * Writes one byte of code. Errors: likewise; ETIMEDOUT code has to be written through a thread, and
 * none has stopped by itself.
 */
int memory_write_code(const struct memory_writer *writer, uint64_t address, uint8_t byte,
                      struct probe_error *error);

#endif
