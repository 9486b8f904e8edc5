/* SPDX-License-Identifier: MIT */
#include "service/kept-texts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include <uthash.h>

/* The newest stays, whatever its size. */
enum { TEXTS_MAX = 1024, TEXTS_BYTES_MAX = 32 << 20 };

struct kept_text {
    uint64_t file;
    char *bytes;
    size_t length;
    UT_hash_handle hh;
};

int kept_texts_init(struct kept_texts *texts)
{
    *texts = (struct kept_texts){.bytes = 0};
    return -pthread_mutex_init(&texts->lock, NULL);
}

/* Called with the lock held, as the next. */
static void text_remove(struct kept_texts *texts, struct kept_text *text)
{
    HASH_DEL(texts->table, text);
    texts->bytes -= text->length;
    free(text->bytes);
    free(text);
}

static struct kept_text *text_find(struct kept_texts *texts, uint64_t file)
{
    struct kept_text *text = NULL;
    HASH_FIND(hh, texts->table, &file, sizeof(file), text);
    return text;
}

void kept_texts_done(struct kept_texts *texts)
{
    while (texts->table)
        text_remove(texts, texts->table);
    pthread_mutex_destroy(&texts->lock);
}

static void make_room(struct kept_texts *texts, size_t length)
{
    while (texts->table &&
           (HASH_COUNT(texts->table) >= TEXTS_MAX || texts->bytes + length > TEXTS_BYTES_MAX))
        text_remove(texts, texts->table);
}

void kept_texts_put(struct kept_texts *texts, uint64_t file, char *bytes, size_t length)
{
    struct kept_text *text = malloc(sizeof(*text));
    if (!text) {
        free(bytes);
        return;
    }
    *text = (struct kept_text){.file = file, .bytes = bytes, .length = length};
    pthread_mutex_lock(&texts->lock);
    struct kept_text *before = text_find(texts, file);
    if (before)
        text_remove(texts, before);
    make_room(texts, length);
    HASH_ADD(hh, texts->table, file, sizeof(text->file), text);
    if (text->hh.tbl) {
        texts->bytes += length;
    } else {
        free(bytes);
        free(text);
    }
    pthread_mutex_unlock(&texts->lock);
}

/* A piece of TEXT, which is dropped if that was its end. Called with the lock held. */
static int text_copy(struct kept_texts *texts, struct kept_text *text, uint64_t offset, size_t size,
                     char **piece, size_t *length, bool *has_end)
{
    size_t left = offset < text->length ? text->length - offset : 0;
    size_t copied = left < size ? left : size;
    char *copy = malloc(copied + 1);
    if (!copy)
        return -ENOMEM;
    if (copied > 0)
        memcpy(copy, text->bytes + offset, copied);
    *piece = copy;
    *length = copied;
    *has_end = left <= size;
    if (left <= size)
        text_remove(texts, text);
    return 0;
}

int kept_texts_copy(struct kept_texts *texts, uint64_t file, uint64_t offset, size_t size,
                    char **piece, size_t *length, bool *has_end)
{
    pthread_mutex_lock(&texts->lock);
    struct kept_text *text = text_find(texts, file);
    int status = text ? text_copy(texts, text, offset, size, piece, length, has_end) : -ENOENT;
    pthread_mutex_unlock(&texts->lock);
    return status;
}

void kept_texts_drop(struct kept_texts *texts, uint64_t file)
{
    pthread_mutex_lock(&texts->lock);
    struct kept_text *text = text_find(texts, file);
    if (text)
        text_remove(texts, text);
    pthread_mutex_unlock(&texts->lock);
}
