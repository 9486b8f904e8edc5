/* SPDX-License-Identifier: MIT */
#include "server/error-log.h"

#include "common/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the service knows of objects that it left out joins the target's failures. */
static void error_log_take_problems(struct failures *failures, char *text, size_t length)
{
    while (length > 0) {
        char *newline = memchr(text, '\n', length);
        if (!newline)
            break;
        *newline = '\0';
        char shown[1024];
        probe_escape(text, strlen(text), shown, sizeof(shown));
        failures_add_once(failures, shown);
        length -= (size_t)(newline + 1 - text);
        text = newline + 1;
    }
}

/* Makes the file's text anew. Called with its lock held. */
static int error_log_make(struct server *server, struct file *file, struct probe_error *error)
{
    enum { PROBLEMS_SIZE = 64 << 10 };
    struct failures *failures = &file->inode->target->failures;
    char *problems = NULL;
    size_t length = 0;
    int status = file_handle_read(server, file, 0, PROBLEMS_SIZE, &problems, &length, error);
    if (status < 0)
        return status;
    error_log_take_problems(failures, problems, length);
    free(problems);
    struct text text;
    FILE *out = text_open(&text);
    if (!out)
        return -ENOMEM;
    failures_print(failures, out);
    status = text_close(&text, out);
    if (status < 0)
        return status;
    free(file->text);
    file->text = text.bytes;
    file->length = text.length;
    return 0;
}

static int error_log_copy(const struct file *file, uint64_t offset, size_t size, char **bytes,
                          size_t *length)
{
    size_t left = offset < file->length ? file->length - offset : 0;
    *length = left < size ? left : size;
    *bytes = malloc(*length + 1);
    if (!*bytes)
        return -ENOMEM;
    if (*length > 0)
        memcpy(*bytes, file->text + offset, *length);
    return 0;
}

int error_log_read(struct server *server, struct file *file, uint64_t offset, size_t size,
                   char **bytes, size_t *length, struct probe_error *error)
{
    pthread_mutex_lock(&file->lock);
    int status = offset == 0 || !file->text ? error_log_make(server, file, error) : 0;
    if (status == 0)
        status = error_log_copy(file, offset, size, bytes, length);
    pthread_mutex_unlock(&file->lock);
    return status;
}
