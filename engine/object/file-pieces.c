/* SPDX-License-Identifier: MIT */
#include "object/file-pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One call reads what lies in this many bytes, with no gap that is larger than a page. */
enum { WINDOW = 256 << 10, GAP_MAX = 4096 };

static int compare_pieces(const void *a, const void *b)
{
    const struct file_piece *x = a;
    const struct file_piece *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* How many of the sorted PIECES are read together with the first. */
static size_t count_in_window(const struct file_piece *pieces, size_t count)
{
    size_t in = 1;
    while (in < count && pieces[in].offset - pieces[0].offset <= WINDOW - SITE_LENGTH &&
           pieces[in].offset - pieces[in - 1].offset <= GAP_MAX)
        in++;
    return in;
}

int file_pieces_read(int fd, struct file_piece *pieces, size_t count, uint8_t (*bytes)[SITE_LENGTH])
{
    uint8_t *window = malloc(WINDOW);
    if (!window)
        return -ENOMEM;
    qsort(pieces, count, sizeof(*pieces), compare_pieces);
    int status = 0;
    for (size_t first = 0, in = 0; first < count && status == 0; first += in) {
        uint64_t start = pieces[first].offset;
        in = count_in_window(pieces + first, count - first);
        size_t length = (size_t)(pieces[first + in - 1].offset - start) + SITE_LENGTH;
        ssize_t got = pread(fd, window, length, (off_t)start);
        if (got < 0)
            status = -EIO;
        for (size_t i = first; i < first + in && got >= 0; i++) {
            size_t at = (size_t)(pieces[i].offset - start);
            memset(bytes[pieces[i].index], 0, SITE_LENGTH);
            if (at + SITE_LENGTH <= (size_t)got)
                memcpy(bytes[pieces[i].index], window + at, SITE_LENGTH);
        }
    }
    free(window);
    return status;
}
