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
    int status = -ENODATA;
    if (atomic_load(&file->inode->target->identified))
        status = file_handle_read(server, file, 0, PROBLEMS_SIZE, &problems, &length, error);
    if (status == -ESRCH || status == -ENOMEM)
        return status;
    /* Where the worker cannot say what was left out, the failures say why. */
    if (status == 0)
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
    shared_bytes_put(&server->budgets, file->text);
    file->text = NULL;
    return shared_bytes_get(&server->budgets, file->user, text.bytes, text.length,
                            &file->inode->target->log, &file->text, error);
}

static int error_log_copy(const struct file *file, uint64_t offset, size_t size, char **bytes,
                          size_t *length)
{
    const struct shared_bytes *text = file->text;
    size_t left = offset < text->length ? text->length - offset : 0;
    *length = left < size ? left : size;
    *bytes = malloc(*length + 1);
    if (!*bytes)
        return -ENOMEM;
    if (*length > 0)
        memcpy(*bytes, text->bytes + offset, *length);
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
