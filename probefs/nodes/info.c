/* SPDX-License-Identifier: MIT */
/* semaphore, sites and info: what a snapshot shows, as text. */
#include "nodes/nodes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void node_print_counters(const struct probe_snapshot *snapshot, size_t i, FILE *out)
{
    size_t count = probe_snapshot_counter_count(snapshot, i);
    bool same = true;
    if (count == 0)
        fputc('-', out);
    for (size_t c = 1; c < count; c++)
        same = same &&
               probe_snapshot_counter(snapshot, i, c) == probe_snapshot_counter(snapshot, i, 0);
    for (size_t c = 0; c < (same && count > 0 ? 1 : count); c++)
        fprintf(out, "%s%u", c > 0 ? "," : "", probe_snapshot_counter(snapshot, i, c));
}

/* A snapshot of the file's probe, or of all of its process. */
static int take_snapshot(struct node_file *file, struct probe_snapshot **snapshot, size_t *count,
                         struct probe_error *error)
{
    *count = probe_target_count(file->target);
    if (!file->probe)
        return probe_snapshot_take(file->target, NULL, *count, snapshot, error);
    ssize_t index = node_file_probe(file, error);
    if (index < 0)
        return (int)index;
    size_t indices[] = {(size_t)index};
    *count = 1;
    return probe_snapshot_take(file->target, indices, 1, snapshot, error);
}

int node_semaphore_read(struct node_file *file, FILE *out, struct probe_error *error)
{
    struct probe_snapshot *snapshot = NULL;
    size_t count = 0;
    ssize_t index = node_file_switch(file, error);
    if (index < 0)
        return (int)index;
    int status = take_snapshot(file, &snapshot, &count, error);
    if (status < 0)
        return status;
    node_print_counters(snapshot, 0, out);
    fputc('\n', out);
    probe_snapshot_free(snapshot);
    return 0;
}

/* Arguments come from the target's file, and may hold anything. */
static int print_site(const struct probe_site *site, FILE *out)
{
    size_t length = strlen(site->arguments);
    char *escaped = malloc(3 * length + 1);
    if (!escaped)
        return -1;
    probe_escape(site->arguments, length, escaped, 3 * length + 1);
    fprintf(out, "0x%" PRIx64 " %c %s+0x%" PRIx64 "%s%s\n", site->address,
            node_state_letter(site->state), site->object, site->offset, *escaped ? " " : "",
            escaped);
    free(escaped);
    return 0;
}

int node_sites_read(struct node_file *file, FILE *out, struct probe_error *error)
{
    struct probe_snapshot *snapshot = NULL;
    size_t count = 0;
    int status = take_snapshot(file, &snapshot, &count, error);
    if (status < 0)
        return status;
    for (size_t s = 0; s < probe_snapshot_site_count(snapshot, 0); s++) {
        struct probe_site site = probe_snapshot_site(snapshot, 0, s);
        if (print_site(&site, out) < 0)
            status = -ENOMEM;
    }
    probe_snapshot_free(snapshot);
    return status;
}

int node_info_read(struct node_file *file, FILE *out, struct probe_error *error)
{
    struct probe_snapshot *snapshot = NULL;
    size_t count = 0;
    int status = take_snapshot(file, &snapshot, &count, error);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%c ", node_state_letter(probe_snapshot_state(snapshot, i)));
        node_print_counters(snapshot, i, out);
        fprintf(out, " %zu %s\n", probe_snapshot_site_count(snapshot, i),
                probe_snapshot_name(snapshot, i));
    }
    probe_snapshot_free(snapshot);
    return 0;
}
