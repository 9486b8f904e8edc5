/* SPDX-License-Identifier: MIT */
/* hits, of a probe and of a process: how often probes fired, while somebody counts. */
#include "nodes/nodes.h"

#include "nodes/chosen.h"
#include "nodes/counts.h"
#include "shared/array.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ----------------------------------------------------------------------------- */

struct line {
    const char *name;
    uint64_t count;
};

struct lines {
    struct line *list;
    size_t count, room;
};

static int add_line(void *data, const char *name, uint64_t count)
{
    struct lines *lines = data;
    if (ARRAY_RESERVE(lines->list, lines->room, lines->count + 1) < 0)
        return -ENOMEM;
    lines->list[lines->count++] = (struct line){name, count};
    return 0;
}

/* Most first; names in order where equal. */
static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a;
    const struct line *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int print_all(const struct counts *counts, FILE *out)
{
    struct lines lines = {NULL, 0, 0};
    int status = counts_visit_all(counts, add_line, &lines);
    if (status == 0 && lines.count > 0)
        qsort(lines.list, lines.count, sizeof(*lines.list), compare_lines);
    for (size_t i = 0; i < lines.count && status == 0; i++)
        fprintf(out, "%" PRIu64 " %s\n", lines.list[i].count, lines.list[i].name);
    free(lines.list);
    return status;
}

int node_hits_read(struct node_file *file, FILE *out, struct probe_error *error)
{
    uint64_t count = 0;
    (void)error;
    if (!file->probe)
        return print_all(file->counts, out);
    if (counts_find(file->counts, file->probe, &count))
        fprintf(out, "%" PRIu64 "\n", count);
    else
        fputs("-\n", out);
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------- */

static int fail_text(struct probe_error *error)
{
    snprintf(
        error->text, sizeof(error->text),
        "what was written to 'hits' is not a value: write 1 to count from 0 on, 0 to end that; "
        "to that of a process also with names of probes behind it");
    return -EINVAL;
}

/* Chooses what the names in TEXT mean, or without any all; of a probe's file that probe. */
static int choose(const struct node_file *file, const char *text, size_t length, bool *chosen,
                  struct probe_error *error)
{
    if (file->probe) {
        ssize_t index = node_file_probe(file, error);
        if (index < 0)
            return (int)index;
        chosen[index] = true;
        return length > 0 ? fail_text(error) : 0;
    }
    int words = chosen_match(file->target, text, length, chosen, error);
    if (words == 0)
        memset(chosen, true, probe_target_count(file->target));
    return words < 0 ? words : 0;
}

struct hits_attempt {
    struct node_file *file;
    const char *text; /* the names */
    size_t length;
    bool begins;
};

/* A probe_attempt. */
static int try_change(void *data, struct probe_error *error)
{
    const struct hits_attempt *attempt = data;
    struct node_file *file = attempt->file;
    bool *chosen = calloc(probe_target_count(file->target) + 1, sizeof(*chosen));
    if (!chosen)
        return -ENOMEM;
    int status = choose(file, attempt->text, attempt->length, chosen, error);
    if (status == 0)
        status = (attempt->begins ? counts_begin : counts_end)(file->counts, file->target, chosen,
                                                               file->ask, error);
    free(chosen);
    return status;
}

int node_hits_write(struct node_file *file, const char *text, size_t length,
                    struct probe_error *error)
{
    if (length > 0 && text[length - 1] == '\n')
        length--;
    if (length == 0 || (text[0] != '0' && text[0] != '1') ||
        (length > 1 && text[1] != ' ' && text[1] != '\t') || memchr(text, '\n', length))
        return fail_text(error);
    struct hits_attempt attempt = {file, text + 1, length - 1, text[0] == '1'};
    int status = probe_target_look(file->target, error);
    return status < 0 ? status : probe_target_settle(file->target, try_change, &attempt, error);
}
