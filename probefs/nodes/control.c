/* SPDX-License-Identifier: MIT */
/* control: many changes in one update. A write is one update of all lines in it. */
#include "nodes/nodes.h"

#include "nodes/control-lines.h"

int node_control_read(struct node_file *file, FILE *out, struct probe_error *error)
{
    struct probe_snapshot *snapshot = NULL;
    size_t count = probe_target_count(file->target);
    int status = probe_snapshot_take(file->target, NULL, count, &snapshot, error);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++) {
        unsigned int highest = 0;
        if (probe_snapshot_state(snapshot, i) == PROBE_WATCH_ONLY)
            continue;
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

static int fill_commands(const struct node_file *file, struct probe_update *update,
                         const void *data, struct probe_error *error)
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

int node_control_write(struct node_file *file, const char *text, size_t length,
                       struct probe_error *error)
{
    struct control control;
    int status = control_parse(text, length, &control, error);
    if (status < 0)
        return status;
    if (control.count > 0)
        status = node_file_update(file, fill_commands, &control, error);
    control_done(&control);
    return status;
}
