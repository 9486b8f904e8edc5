/* SPDX-License-Identifier: MIT */
#include "change.h"

#include <errno.h>

/* Objects that come and go between the look and the update make it start over, so often at most. */
enum { TRIES = 10 };

static int add_probes(struct service_file *file, struct probe_update *update, struct value value,
                      struct probe_error *error)
{
    if (file->probe) {
        ssize_t index = service_file_probe(file, error);
        if (index < 0)
            return (int)index;
        return probe_update_add(update, (size_t)index, value.action, value.number, error);
    }
    int status = 0;
    for (size_t i = 0; i < probe_target_count(file->target) && status == 0; i++)
        status = probe_update_add(update, i, value.action, value.number, error);
    return status;
}

int change_apply(struct service_file *file, struct value value, struct probe_error *error)
{
    int status = -EAGAIN;
    for (int i = 0; i < TRIES && status == -EAGAIN; i++) {
        struct probe_update *update = NULL;
        if (probe_update_new(file->target, &update) < 0)
            return -ENOMEM;
        status = add_probes(file, update, value, error);
        if (status == 0)
            status = probe_update_apply(update, error);
        probe_update_free(update);
    }
    return status;
}
