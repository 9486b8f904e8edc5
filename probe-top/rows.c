/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include "shared/array.h"
#include "shared/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rows_free(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->list[i].program);
        free(rows->list[i].name);
    }
    free(rows->list);
    *rows = (struct rows){NULL, 0, 0};
}

/* ---- from text ----------------------------------------------------------------------------- */

/* The tree's files are escaped, but its links lead to paths as they are. */
char *program_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *result = malloc(3 * strlen(name) + 1);
    char *end = result;
    if (!result)
        return NULL;
    for (; *name; name++) {
        if (*name > ' ' && *name <= '~' && *name != '%')
            *end++ = *name;
        else
            end += sprintf(end, "%%%02X", (unsigned char)*name);
    }
    *end = '\0';
    return result;
}

/* The last of a line's words, which is its name; NULL if it is the only one. */
static const char *last_word(const char *line, size_t length)
{
    const char *space = memrchr(line, ' ', length);
    return space && space > line && space + 1 < line + length ? space + 1 : NULL;
}

int rows_add_info(struct rows *rows, pid_t pid, const char *program, const char *info)
{
    for (size_t length; *info; info += length + (info[length] == '\n')) {
        length = strcspn(info, "\n");
        const char *name = last_word(info, length);
        if (!name) /* no line that we know */
            continue;
        if (ARRAY_RESERVE(rows->list, rows->room, rows->count + 1) < 0)
            return -ENOMEM;
        struct row *row = &rows->list[rows->count++];
        *row = (struct row){.pid = pid, .state = *info, .rate = -1};
        row->program = strdup(program);
        row->name = strndup(name, (size_t)(info + length - name));
        if (!row->program || !row->name)
            return -ENOMEM;
    }
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return strcmp(x->name, y->name);
}

static struct row *search(const struct rows *rows, size_t first, pid_t pid, char *name)
{
    const struct row key = {.pid = pid, .name = name};
    if (first >= rows->count)
        return NULL;
    return bsearch(&key, rows->list + first, rows->count - first, sizeof(key), compare_keys);
}

void rows_take_hits(struct rows *rows, size_t first, const char *hits, const struct timespec *when)
{
    if (first >= rows->count)
        return;
    for (size_t length; *hits; hits += length + (hits[length] == '\n')) {
        length = strcspn(hits, "\n");
        const char *word = last_word(hits, length);
        char *name = word ? strndup(word, (size_t)(hits + length - word)) : NULL;
        struct row *row = name ? search(rows, first, rows->list[first].pid, name) : NULL;
        free(name);
        if (!row)
            continue;
        row->is_counted = true;
        row->total = strtoull(hits, NULL, 10);
        row->when = *when;
    }
}

void rows_compare(struct rows *rows, const struct rows *before)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct row *row = &rows->list[i];
        const struct row *old = search(before, 0, row->pid, row->name);
        /* A count that was begun anew may be below; so may that of a new process of this pid. */
        if (!old || !old->is_counted || !row->is_counted || row->total < old->total)
            continue;
        int64_t passed = clock_between(&old->when, &row->when);
        if (passed > 0)
            row->rate = (double)(row->total - old->total) * (double)CLOCK_SECOND / (double)passed;
    }
}

size_t rows_find(const struct rows *rows, pid_t pid, const char *name)
{
    size_t i = 0;
    while (i < rows->count && (rows->list[i].pid != pid || strcmp(rows->list[i].name, name) != 0))
        i++;
    return i;
}

/* ---- sorting and printing ------------------------------------------------------------------ */

static int compare_numbers(double x, double y)
{
    return x > y ? -1 : x < y;
}

/* What is not counted is less than 0. */
static double total_of(const struct row *row)
{
    return row->is_counted ? (double)row->total : -1;
}

static int compare_columns(const void *a, const void *b, void *data)
{
    const enum column *column = data;
    const struct row *x = a;
    const struct row *y = b;
    int result = 0;
    if (*column == COLUMN_PROGRAM)
        result = strcmp(x->program, y->program);
    else if (*column == COLUMN_STATE)
        result = compare_numbers(x->state, y->state);
    else if (*column == COLUMN_RATE)
        result = compare_numbers(x->rate, y->rate);
    else if (*column == COLUMN_TOTAL)
        result = compare_numbers(total_of(x), total_of(y));
    else if (*column == COLUMN_PROBE)
        result = strcmp(x->name, y->name);
    return result != 0 ? result : compare_keys(a, b);
}

void rows_sort(struct rows *rows, size_t first, enum column column)
{
    if (first < rows->count)
        qsort_r(rows->list + first, rows->count - first, sizeof(*rows->list), compare_columns,
                &column);
}

void row_print(const struct row *row, bool is_aligned, char line[LINE_SIZE])
{
    const char *format = is_aligned ? "%7s %-15.15s %5s %10s %12s %s" : "%s %s %s %s %s %s";
    char pid[16] = "PID";
    char state[8] = "STATE";
    char rate[32] = "RATE";
    char total[32] = "TOTAL";
    if (row) {
        snprintf(pid, sizeof(pid), "%d", (int)row->pid);
        snprintf(state, sizeof(state), "%c", row->state);
        snprintf(rate, sizeof(rate), row->rate < 0 ? "-" : "%.1f", row->rate);
        snprintf(total, sizeof(total), row->is_counted ? "%" PRIu64 : "-", row->total);
    }
    snprintf(line, LINE_SIZE, format, pid, row ? row->program : "PROGRAM", state, rate, total,
             row ? row->name : "PROBE");
}
