/* SPDX-License-Identifier: MIT */
#include "service-file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Objects that come and go between the look and the update make it start over, so often at most. */
enum { TRIES = 50 };

ssize_t service_file_probe(const struct service_file *file, struct probe_error *error)
{
    ssize_t index = probe_target_find(file->target, file->probe);
    if (index < 0)
        snprintf(error->text, sizeof(error->text), "process %d has no probe '%s' any more",
                 probe_target_pid(file->target), file->probe);
    return index;
}

/* Tells the holds there are, and whoever asked for it, whose references UPDATE has forgotten. */
static int end_claims(const struct service_file *file, const struct probe_update *update)
{
    size_t *indices = NULL;
    size_t count = 0;
    if (!file->holds->list && !file->resets)
        return 0;
    int status = probe_update_resets(update, &indices, &count);
    for (size_t i = 0; i < count; i++) {
        const char *name = probe_target_name(file->target, indices[i]);
        holds_end_claims(file->holds, name);
        if (file->resets)
            fwrite(name, strlen(name) + 1, 1, file->resets);
    }
    free(indices);
    return status;
}

/* One try. Errors: EAGAIN objects came or went. */
static int try_update(struct service_file *file, service_file_fill *fill, const void *data,
                      struct probe_error *error)
{
    struct probe_update *update = NULL;
    if (probe_update_new(file->target, &update) < 0)
        return -ENOMEM;
    int status = fill(file, update, data, error);
    if (status == 0)
        status = probe_update_apply(update, error);
    if (status == 0)
        status = end_claims(file, update);
    probe_update_free(update);
    return status;
}

int service_file_update(struct service_file *file, service_file_fill *fill, const void *data,
                        struct probe_error *error)
{
    int status = -EAGAIN;
    bool looked = false;
    for (int i = 0; i < TRIES && status == -EAGAIN; i++) {
        uint64_t generation = probe_target_generation(file->target);
        status = try_update(file, fill, data, error);
        if (status == 0 || status == -EAGAIN || looked)
            continue;
        /* It was filled by what the last look saw: does it fail now, too? */
        struct probe_error reason = {""};
        looked = true;
        int look = probe_target_look(file->target, &reason);
        if (look < 0)
            *error = reason;
        if (look < 0 || probe_target_generation(file->target) != generation)
            status = look < 0 ? look : -EAGAIN;
    }
    return status;
}
