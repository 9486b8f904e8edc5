/* SPDX-License-Identifier: MIT */
/* hold, as a text: how many there are. The service takes them and gives them back: keeper.c. */
#include "nodes/nodes.h"

#include <errno.h>

int node_hold_read(struct node_file *file, FILE *out, struct probe_error *error)
{
    (void)error;
    fprintf(out, "%zu\n", holds_count(file->holds, file->probe));
    return 0;
}

int node_hold_write(struct node_file *file, const char *text, size_t length,
                    struct probe_error *error)
{
    (void)file, (void)text, (void)length;
    snprintf(error->text, sizeof(error->text),
             "'hold' takes no text: keeping it open for writing is all it needs");
    return -EINVAL;
}
