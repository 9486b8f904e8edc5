/* SPDX-License-Identifier: MIT */
/*
 * The memory of an image: many small reads in few calls, and the two writes there are.
 *
 * Reads by pid (process_vm_readv) are the fastest, but a pid may run another image by the time of
 * the call: the caller asks image_check() afterwards, and believes nothing before. Writes go
 * through the mem descriptor, which the kernel bound to the image when it was opened, or to a
 * thread that the caller has stopped and then found to be of the image.
 */
#ifndef ENGINE_MEMORY_H
#define ENGINE_MEMORY_H

#include "process/image.h"

/* LENGTH bytes at ADDRESS go to BYTES. */
struct memory_piece {
    uint64_t address;
    size_t length;
    uint8_t *bytes;
};

/*
 * Reads COUNT pieces; puts them in the order of their addresses first. Errors: EFAULT a page is
 * not there; ESRCH the image has gone; ENOMEM; EIO.
 */
int memory_read(const struct probe_image *image, struct memory_piece *pieces, size_t count,
                struct probe_error *error);

/* The same for LENGTH bytes at ADDRESS. Errors: EFAULT they cannot all be read. */
int memory_read_span(const struct probe_image *image, uint64_t address, size_t length,
                     uint8_t *bytes);

/* How is written. */
enum memory_way {
    MEMORY_RUNNING, /* through the mem descriptor, while the process runs */
    MEMORY_STOPPED, /* the same, all threads being stopped by the calling thread */
    MEMORY_POKED,   /* likewise, and the kernel refuses mem for code: with ptrace */
    MEMORY_SELF,    /* into the calling process itself */
};

struct memory_writer {
    const struct probe_image *image;
    enum memory_way way;
    pid_t tid;               /* a thread of it: a stopped one, unless MEMORY_RUNNING or _SELF */
    const struct maps *maps; /* the image's mappings: what permissions code has */
};

/* Writes a counter, as one write. Errors as below. */
int memory_write_counter(const struct memory_writer *writer, uint64_t address, uint16_t value,
                         struct probe_error *error);

/*
 * Writes one byte of code. Errors: ESRCH the image has gone; EACCES it is not open for writing;
 * EROFS the kernel refuses forced writes (stop the process, and poke); EFAULT, EPERM, EIO.
 */
int memory_write_code(const struct memory_writer *writer, uint64_t address, uint8_t byte,
                      struct probe_error *error);

#endif
