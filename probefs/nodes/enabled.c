/* SPDX-License-Identifier: MIT */
#include "nodes/nodes.h"

#include "nodes/value.h"

#include <errno.h>
#include <stdlib.h>

char node_state_letter(enum probe_state state)
{
    static const char letters[] = {
        [PROBE_OFF] = '0', [PROBE_ON] = '1', [PROBE_MIXED] = 'X', [PROBE_WATCH_ONLY] = '-'};
    return letters[state];
}

/* The state of the file's probe, or of all probes of its process. */
static int read_state(struct node_file *file, enum probe_state *state, struct probe_error *error)
{
    if (file->probe) {
        ssize_t index = node_file_switch(file, error);
        if (index < 0)
            return (int)index;
        size_t indices[] = {(size_t)index};
        return probe_target_states(file->target, indices, 1, state, error);
    }
    return probe_target_state(file->target, state, error);
}

int node_enabled_read(struct node_file *file, FILE *out, struct probe_error *error)
{
    enum probe_state state = PROBE_OFF;
    int status = read_state(file, &state, error);
    if (status == 0)
        fprintf(out, "%c\n", node_state_letter(state));
    return status;
}

/* Adds the file's probe, or all of its process, with a value. */
static int fill_value(const struct node_file *file, struct probe_update *update, const void *data,
                      struct probe_error *error)
{
    const struct value *value = data;
    if (file->probe) {
        ssize_t index = node_file_switch(file, error);
        if (index < 0)
            return (int)index;
        return probe_update_add(update, (size_t)index, value->action, value->number, error);
    }
    int status = 0;
    size_t added = 0;
    for (size_t i = 0; i < probe_target_count(file->target) && status == 0; i++) {
        if (!probe_target_is_switchable(file->target, i))
            continue;
        status = probe_update_add(update, i, value->action, value->number, error);
        added++;
    }
    if (added == 0) {
        snprintf(error->text, sizeof(error->text), "process %d has no probe that can be switched%s",
                 probe_target_pid(file->target),
                 probe_target_count(file->target) > 0 ? ": none of them has a semaphore"
                                                      : ": see what error_log says");
        return -ENOENT;
    }
    return status;
}

int node_enabled_write(struct node_file *file, const char *text, size_t length,
                       struct probe_error *error)
{
    struct value value;
    int status = value_parse_switch(text, length, &value, error);
    return status < 0 ? status : node_file_update(file, fill_value, &value, error);
}

int node_semaphore_write(struct node_file *file, const char *text, size_t length,
                         struct probe_error *error)
{
    struct value value;
    int status = value_parse_count(text, length, &value, error);
    return status < 0 ? status : node_file_update(file, fill_value, &value, error);
}
