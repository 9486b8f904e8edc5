/* SPDX-License-Identifier: MIT */
/*
 * control: many changes in one update.
 *
 * One write() is one update of all lines in it, but for a last one that no newline ends: that is
 * kept, and completed by the next write. Where none comes, the flush of whoever wrote it applies
 * it; flushes of others, which inherited the descriptor and close it, do not.
 */
#include "nodes/nodes.h"

#include "nodes/control-lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A line that is not ended by then is none. */
enum { LINE_MAX_LENGTH = 1 << 20 };

int node_control_read(struct service_file *file, FILE *out, struct probe_error *error)
{
    struct probe_snapshot *snapshot = NULL;
    size_t count = probe_target_count(file->target);
    int status = probe_snapshot_take(file->target, NULL, count, &snapshot, error);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++) {
        unsigned int highest = 0;
        for (size_t c = 0; c < probe_snapshot_counter_count(snapshot, i); c++) {
            unsigned int value = probe_snapshot_counter(snapshot, i, c);
            highest = value > highest ? value : highest;
        }
        fprintf(out, "%s%u %s\n", highest > 1 ? "=" : "", highest,
                probe_snapshot_name(snapshot, i));
    }
    probe_snapshot_free(snapshot);
    return 0;
}

static int fill(const struct service_file *file, struct probe_update *update, const void *data,
                struct probe_error *error)
{
    const struct control *control = data;
    (void)file;
    for (size_t i = 0; i < control->count; i++) {
        const struct control_command *command = &control->commands[i];
        ssize_t matched = probe_update_add_pattern(update, command->pattern, command->value.action,
                                                   command->value.number, error);
        if (matched < 0) {
            control_name_line(&command->line, error);
            return (int)matched;
        }
    }
    return 0;
}

static int apply(struct service_file *file, const char *text, size_t length,
                 struct probe_error *error)
{
    struct control control;
    int status = control_parse(text, length, &control, error);
    if (status < 0)
        return status;
    if (control.count > 0)
        status = service_file_update(file, fill, &control, error);
    control_done(&control);
    return status;
}

static void forget_cut(struct cut_line *cut)
{
    free(cut->text);
    *cut = (struct cut_line){0};
}

/* What was cut before and what is written now, as one text. */
static int join(const struct cut_line *cut, const char *text, size_t length, char **result,
                size_t *result_length)
{
    char *joined = malloc(cut->length + length + 1);
    if (!joined)
        return -ENOMEM;
    if (cut->length > 0)
        memcpy(joined, cut->text, cut->length);
    memcpy(joined + cut->length, text, length);
    *result = joined;
    *result_length = cut->length + length;
    return 0;
}

/* Keeps what stands behind the last newline. */
static int keep_cut(struct cut_line *cut, const char *text, size_t length, uint64_t owner,
                    struct probe_error *error)
{
    if (length == 0)
        return 0;
    if (length > LINE_MAX_LENGTH) {
        snprintf(error->text, sizeof(error->text), "a line of 'control' is too long");
        return -EINVAL;
    }
    char *kept = malloc(length);
    if (!kept)
        return -ENOMEM;
    memcpy(kept, text, length);
    *cut = (struct cut_line){kept, length, owner};
    return 0;
}

int node_control_write(struct service_file *file, const char *text, size_t length,
                       struct probe_error *error)
{
    char *joined = NULL;
    size_t joined_length = 0;
    int status = join(file->cut, text, length, &joined, &joined_length);
    forget_cut(file->cut);
    if (status < 0)
        return status;
    const char *newline = memrchr(joined, '\n', joined_length);
    size_t lines = newline ? (size_t)(newline + 1 - joined) : 0;
    /* First what has no effect: behind the update nothing may fail. */
    status = keep_cut(file->cut, joined + lines, joined_length - lines, file->owner, error);
    if (status == 0)
        status = apply(file, joined, lines, error);
    if (status < 0)
        forget_cut(file->cut);
    free(joined);
    return status;
}

int node_control_flush(struct service_file *file, struct probe_error *error)
{
    if (file->cut->length == 0 || file->cut->owner != file->owner)
        return 0;
    struct cut_line cut = *file->cut;
    *file->cut = (struct cut_line){0};
    int status = apply(file, cut.text, cut.length, error);
    forget_cut(&cut);
    return status;
}
