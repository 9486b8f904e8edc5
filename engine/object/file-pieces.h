/* SPDX-License-Identifier: MIT */
/* Many small pieces of a file, read in few calls. */
#ifndef ENGINE_FILE_PIECES_H
#define ENGINE_FILE_PIECES_H

#include "arch/arch.h"

struct file_piece {
    uint64_t offset;
    size_t index; /* which of the results it becomes */
};

/*
 * Reads SITE_LENGTH bytes at each of COUNT pieces, which it sorts, into BYTES: those of a piece to
 * its index. What reaches beyond the end of the file is 0. Errors: ENOMEM; EIO.
 */
int file_pieces_read(int fd, struct file_piece *pieces, size_t count,
                     uint8_t (*bytes)[SITE_LENGTH]);

#endif
