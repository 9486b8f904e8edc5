/* SPDX-License-Identifier: MIT */
#include "nodes/nodes.h"

#include "common/advice.h"
#include "nodes/tree.h"

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
        if (!probe_target_is_switchable(file->target, i))
            fputc(WATCH_ONLY_MARK, out);
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
    for (size_t i = 0; (problem = probe_target_problem(file->target, i)); i++) {
        struct probe_error sentence = {.reason = probe_target_problem_reason(file->target, i)};
        snprintf(sentence.text, sizeof(sentence.text), "%s", problem);
        advice_add(&sentence);
        fprintf(out, "%s.\n", sentence.text);
    }
    return 0;
}
