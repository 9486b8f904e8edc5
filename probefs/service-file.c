/* SPDX-License-Identifier: MIT */
#include "service-file.h"

#include <stdio.h>

ssize_t service_file_probe(const struct service_file *file, struct probe_error *error)
{
    ssize_t index = probe_target_find(file->target, file->probe);
    if (index < 0)
        snprintf(error->text, sizeof(error->text), "process %d has no probe '%s' any more",
                 probe_target_pid(file->target), file->probe);
    return index;
}
