/* SPDX-License-Identifier: MIT */
/*
 * The rest of what open files said at their last read from the beginning, by their numbers: reads
 * that follow belong to it. What is dropped for want of room is made again.
 */
#ifndef PROBEFS_KEPT_TEXTS_H
#define PROBEFS_KEPT_TEXTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kept_text;

struct kept_texts {
    pthread_mutex_t lock;
    struct kept_text *table; /* the longest unused first; this and what follows: guarded by lock */
    size_t bytes;
};

int kept_texts_init(struct kept_texts *texts);
void kept_texts_done(struct kept_texts *texts);

/* Keeps BYTES, LENGTH of them, for FILE, and owns them from here on; others may have to go. */
void kept_texts_put(struct kept_texts *texts, uint64_t file, char *bytes, size_t length);

/*
 * Copies at most SIZE bytes from OFFSET on into PIECE, to be freed. Says whether that was the end:
 * then the text is dropped. Errors: ENOENT none is kept for FILE; ENOMEM.
 */
int kept_texts_copy(struct kept_texts *texts, uint64_t file, uint64_t offset, size_t size,
                    char **piece, size_t *length, bool *has_end);

void kept_texts_drop(struct kept_texts *texts, uint64_t file);

#endif
