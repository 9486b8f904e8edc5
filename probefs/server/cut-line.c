/* SPDX-License-Identifier: MIT */
#include "server/cut-line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line that is not ended by then is none. */
enum { LINE_MAX_LENGTH = 1 << 20 };

void cut_line_free(struct cut_line *cut)
{
    free(cut->text);
    *cut = (struct cut_line){.text = NULL};
}

static int keep_rest(const char *text, size_t length, uint64_t owner, struct cut_line *rest,
                     struct probe_error *error)
{
    *rest = (struct cut_line){.text = NULL};
    if (length == 0)
        return 0;
    if (length > LINE_MAX_LENGTH) {
        snprintf(error->text, sizeof(error->text), "a line of 'control' is too long");
        return -EINVAL;
    }
    char *copy = malloc(length);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, length);
    rest->text = copy;
    rest->length = length;
    rest->owner = owner;
    return 0;
}

int cut_line_join(struct cut_line *cut, uint64_t owner, const char *text, size_t length,
                  struct cut_text *result, struct probe_error *error)
{
    size_t total = cut->length + length;
    char *bytes = malloc(total + 1);
    if (bytes && cut->length > 0)
        memcpy(bytes, cut->text, cut->length);
    if (bytes && length > 0)
        memcpy(bytes + cut->length, text, length);
    cut_line_free(cut);
    if (!bytes)
        return -ENOMEM;
    const char *newline = memrchr(bytes, '\n', total);
    size_t lines = newline ? (size_t)(newline + 1 - bytes) : 0;
    struct cut_line rest;
    int status = keep_rest(bytes + lines, total - lines, owner, &rest, error);
    if (status < 0) {
        free(bytes);
        return status;
    }
    result->bytes = bytes;
    result->lines = lines;
    result->rest = rest;
    return 0;
}
