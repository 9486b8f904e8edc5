/* SPDX-License-Identifier: MIT */
/*
 * hold: a reference for as long as the file is open for writing. Taken away by its release. Where
 * the worker that keeps it ends before, the server opens it in another, which takes it over.
 */
#include "nodes/nodes.h"

#include <errno.h>

/* A probe_attempt. */
static int take_hold(void *data, struct probe_error *error)
{
    struct service_file *file = data;
    ssize_t index = service_file_probe(file, error);
    if (index < 0)
        return (int)index;
    return holds_add(file->holds, file->target, (size_t)index, file->probe, file->hold, error);
}

int node_hold_open(struct service_file *file, struct probe_error *error)
{
    if (file->saved)
        return holds_take_over(file->holds, file->saved, file->saved_length, file->probe,
                               file->hold);
    return probe_target_settle(file->target, take_hold, file, error);
}

int node_hold_read(struct service_file *file, FILE *out, struct probe_error *error)
{
    (void)error;
    fprintf(out, "%zu\n", holds_count(file->holds, file->probe));
    return 0;
}

int node_hold_write(struct service_file *file, const char *text, size_t length,
                    struct probe_error *error)
{
    (void)file, (void)text, (void)length;
    snprintf(error->text, sizeof(error->text),
             "'hold' takes no text: keeping it open for writing is all it needs");
    return -EINVAL;
}
