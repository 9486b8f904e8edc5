/* SPDX-License-Identifier: MIT */
#include "nodes.h"

#include "change.h"
#include "value.h"

#include <errno.h>
#include <stdlib.h>

/* The state of the file's probe, or of all probes of its process. */
static int read_state(struct service_file *file, enum probe_state *state, struct probe_error *error)
{
    if (file->probe) {
        ssize_t index = service_file_probe(file, error);
        if (index < 0)
            return (int)index;
        size_t indices[] = {(size_t)index};
        return probe_target_states(file->target, indices, 1, state, error);
    }
    size_t count = probe_target_count(file->target);
    enum probe_state *states = calloc(count + 1, sizeof(*states));
    if (!states)
        return -ENOMEM;
    int status = probe_target_states(file->target, NULL, count, states, error);
    if (status == 0)
        *state = probe_state_join(states, count);
    free(states);
    return status;
}

int node_enabled_read(struct service_file *file, FILE *out, struct probe_error *error)
{
    static const char letters[] = {[PROBE_OFF] = '0', [PROBE_ON] = '1', [PROBE_MIXED] = 'X'};
    enum probe_state state = PROBE_OFF;
    int status = read_state(file, &state, error);
    if (status == 0)
        fprintf(out, "%c\n", letters[state]);
    return status;
}

int node_enabled_write(struct service_file *file, const char *text, size_t length,
                       struct probe_error *error)
{
    struct value value;
    int status = value_parse_switch(text, length, &value, error);
    return status < 0 ? status : change_apply(file, value, error);
}
