/* SPDX-License-Identifier: MIT */
/* What there is to show: a row for each probe, made of the text of the tree's files. Pure. */
#ifndef PROBE_TOP_ROWS_H
#define PROBE_TOP_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct row {
    pid_t pid;
    char *program, *name; /* owned; without bytes that mislead a terminal, or part words */
    char state;           /* as in `info`: 0, 1, X or - */
    bool is_counted;
    uint64_t total; /* while it is counted */
    double rate;    /* firings a second; negative while nobody knows */
    struct timespec when;
};

struct rows {
    struct row *list;
    size_t count, room;
};

/* COLUMN_PID is also the order of lists that are searched: by process, then by name. */
enum column { COLUMN_PID, COLUMN_PROGRAM, COLUMN_STATE, COLUMN_RATE, COLUMN_TOTAL, COLUMN_PROBE };

enum { COLUMN_COUNT = COLUMN_PROBE + 1, LINE_SIZE = 1280 };

void rows_free(struct rows *rows);

/* The last part of PATH, with all but printable ASCII as %XX; NULL without memory. */
char *program_name(const char *path);

/* Adds a row for each line of `info`. 0 or -ENOMEM. */
int rows_add_info(struct rows *rows, pid_t pid, const char *program, const char *info);

/* Sorts the rows from FIRST on: what is large, or on, first; equal ones by COLUMN_PID. */
void rows_sort(struct rows *rows, size_t first, enum column column);

/* The index of that probe, or rows->count. */
size_t rows_find(const struct rows *rows, pid_t pid, const char *name);

/* What a process's `hits` said at WHEN, for its rows: those from FIRST on, sorted by COLUMN_PID. */
void rows_take_hits(struct rows *rows, size_t first, const char *hits, const struct timespec *when);

/* Computes rates, from the totals of an earlier look, sorted by COLUMN_PID. */
void rows_compare(struct rows *rows, const struct rows *before);

/* A line for the row, or (NULL) for the names of the columns: aligned, or with one space between.
 */
void row_print(const struct row *row, bool is_aligned, char line[LINE_SIZE]);

#endif
