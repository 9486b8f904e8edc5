/* SPDX-License-Identifier: MIT */
#include "nodes/node-file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

ssize_t node_file_probe(const struct node_file *file, struct probe_error *error)
{
    ssize_t index = probe_target_find(file->target, file->probe);
    if (index < 0)
        snprintf(error->text, sizeof(error->text), "process %d has no probe '%s' any more",
                 probe_target_pid(file->target), file->probe);
    return index;
}

ssize_t node_file_switch(const struct node_file *file, struct probe_error *error)
{
    ssize_t index = node_file_probe(file, error);
    if (index < 0 || probe_target_is_switchable(file->target, (size_t)index))
        return index;
    snprintf(error->text, sizeof(error->text),
             "process %d has no probe '%s' with a semaphore any more",
             probe_target_pid(file->target), file->probe);
    return -ENOENT;
}

/* Whose references an update forgets: found before it, so that nothing can fail behind it. */
struct claims {
    size_t *indices;
    size_t count;
    struct text names; /* for whoever asked for them */
};

static void claims_done(struct claims *claims)
{
    free(claims->indices);
    free(claims->names.bytes);
}

static int claims_find(const struct node_file *file, const struct probe_update *update,
                       struct claims *claims)
{
    if (!file->holds->list && !file->forgets && !file->sets)
        return 0;
    int status = probe_update_resets(update, &claims->indices, &claims->count);
    if (status < 0 || !file->forgets || claims->count == 0)
        return status;
    FILE *out = text_open(&claims->names);
    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < claims->count; i++) {
        const char *name = probe_target_name(file->target, claims->indices[i]);
        fwrite(name, strlen(name) + 1, 1, out);
    }
    return text_close(&claims->names, out);
}

/* Tells the holds there are, and whoever asked for it. */
static void claims_end(const struct node_file *file, struct claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        const char *name = probe_target_name(file->target, claims->indices[i]);
        holds_end_claims(file->holds, name);
        if (file->sets)
            sets_note(file->sets, probe_target_pid(file->target), probe_target_id(file->target),
                      name);
    }
    if (!file->forgets)
        return;
    free(file->forgets->bytes);
    *file->forgets = claims->names;
    claims->names = (struct text){.bytes = NULL};
}

/* The update failed as a kernel tracer counts: is it one of ours? */
static void explain_counted(const struct node_file *file, const struct probe_update *update,
                            struct probe_error *error)
{
    size_t *indices = NULL;
    size_t count = 0;
    if (!file->watchers || error->reason != PROBE_REASON_COUNTED ||
        probe_update_resets(update, &indices, &count) < 0)
        return;
    bool *blocked = calloc(probe_target_count(file->target) + 1, sizeof(*blocked));
    for (size_t i = 0; i < count && blocked; i++)
        blocked[indices[i]] = true;
    if (blocked)
        file->watchers->explain(file->watchers->data, blocked, error);
    free(blocked);
    free(indices);
}

struct update_attempt {
    struct node_file *file;
    node_file_fill *fill;
    const void *data;
};

/* A probe_attempt. */
static int try_update(void *data, struct probe_error *error)
{
    const struct update_attempt *attempt = data;
    struct node_file *file = attempt->file;
    struct probe_update *update = NULL;
    struct claims claims = {.indices = NULL};
    if (probe_update_new(file->target, &update) < 0)
        return -ENOMEM;
    int status = attempt->fill(file, update, attempt->data, error);
    if (status == 0)
        status = claims_find(file, update, &claims);
    if (status == 0)
        status = probe_update_apply(update, error);
    if (status == 0)
        claims_end(file, &claims);
    else
        explain_counted(file, update, error);
    claims_done(&claims);
    probe_update_free(update);
    return status;
}

int node_file_update(struct node_file *file, node_file_fill *fill, const void *data,
                     struct probe_error *error)
{
    struct update_attempt attempt = {file, fill, data};
    int status = probe_target_settle(file->target, try_update, &attempt, error);
    if (status == -EBUSY && error->reason == PROBE_REASON_COUNTED && file->watchers &&
        file->watchers->await(file->watchers->data))
        status = probe_target_settle(file->target, try_update, &attempt, error);
    return status;
}
