/* SPDX-License-Identifier: MIT */
#include "nodes/nodes.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

int node_process_list(struct node_file *file, FILE *out, struct probe_error *error)
{
    (void)error;
    size_t count = probe_target_count(file->target);
    for (size_t i = 0; i < count; i++) {
        const char *name = probe_target_name(file->target, i);
        fwrite(name, strlen(name) + 1, 1, out);
    }
    return 0;
}

int node_exe_read(struct node_file *file, FILE *out, struct probe_error *error)
{
    char path[PATH_MAX];
    ssize_t length = probe_target_exe(file->target, path, sizeof(path), error);
    if (length < 0)
        return (int)length;
    fwrite(path, (size_t)length, 1, out);
    return 0;
}

int node_error_log_read(struct node_file *file, FILE *out, struct probe_error *error)
{
    (void)error;
    const char *problem = NULL;
    for (size_t i = 0; (problem = probe_target_problem(file->target, i)); i++)
        fprintf(out, "%s.\n", problem);
    return 0;
}
