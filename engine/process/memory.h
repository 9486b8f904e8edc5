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
    MEMORY_STOPPED, /* the same, while the calling thread has stopped all threads */
    MEMORY_POKED,   /* likewise, but code through ptrace: the kernel refuses mem for it */
    MEMORY_SELF,    /* the process is the caller itself */
};

struct memory_writer {
    const struct probe_image *image;
    enum memory_way way;
    pid_t tid;               /* a thread of the image; stopped if the way needs that */
    const struct maps *maps; /* the image's mappings, for the permissions of code */
};

/* Writes a counter with a single write. Errors as below. */
int memory_write_counter(const struct memory_writer *writer, uint64_t address, uint16_t value,
                         struct probe_error *error);

/*
 * Writes one byte of code. Errors: ESRCH the image has gone; EACCES it is not open for writing;
 * EROFS the kernel refuses forced writes (stop the process, then use MEMORY_POKED); EFAULT, EPERM,
 * EIO.
 */
int memory_write_code(const struct memory_writer *writer, uint64_t address, uint8_t byte,
                      struct probe_error *error);

#endif
