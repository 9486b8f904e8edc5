/* SPDX-License-Identifier: MIT */
/*
 * The memory of an image: many small reads in few calls, and the two writes there are.
 *
 * Reads by pid (process_vm_readv) are the fastest, but a pid may run another image by the time of
 * the call: the caller asks image_check() afterwards, and believes nothing before. Writes go
 * through the mem descriptor only, which the kernel bound to the image when it was opened.
 */
#ifndef ENGINE_MEMORY_H
#define ENGINE_MEMORY_H

#include "image.h"

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

/*
 * Writes LENGTH bytes, 1 or 2, as one write. Errors: ESRCH the image has gone; EACCES it is not
 * open for writing; EFAULT, EPERM, EIO the kernel refuses to write there.
 */
int memory_write(const struct probe_image *image, uint64_t address, const void *bytes,
                 size_t length, struct probe_error *error);

#endif
