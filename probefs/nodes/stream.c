/* SPDX-License-Identifier: MIT */
/* What is written to a process's stream before it is read: the names of probes. */
#include "nodes/nodes.h"

#include "nodes/chosen.h"

#include <errno.h>
#include <stdlib.h>

int node_stream_write(struct node_file *file, const char *text, size_t length,
                      struct probe_error *error)
{
    int status = probe_target_look(file->target, error);
    if (status < 0)
        return status;
    bool *chosen = calloc(probe_target_count(file->target) + 1, sizeof(*chosen));
    if (!chosen)
        return -ENOMEM;
    status = chosen_match(file->target, text, length, chosen, error);
    free(chosen);
    if (status == 0)
        snprintf(error->text, sizeof(error->text), "there is no name of a probe in it");
    return status == 0 ? -EINVAL : status < 0 ? status : 0;
}
