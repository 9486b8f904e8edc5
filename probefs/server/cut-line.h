/* SPDX-License-Identifier: MIT */
/*
 * The end of a write that did not end its line. It is kept with the open file, and put before the
 * next write; if none comes, the close of whoever wrote it has it applied.
 */
#ifndef PROBEFS_CUT_LINE_H
#define PROBEFS_CUT_LINE_H

#include <probe-engine.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cut_line {
    char *text;
    size_t length;
    uint64_t owner; /* who wrote it: the same number for the same files of a process */
};

/* Whole lines that are to be written, and the line behind them that has no end yet. */
struct cut_text {
    char *bytes; /* to be freed */
    size_t lines;
    struct cut_line rest;
};

/*
 * Joins CUT, which is empty then, and LENGTH bytes of TEXT by OWNER, and cuts the result where its
 * last line ends. Errors: EINVAL the line that has no end is too long; ENOMEM.
 */
int cut_line_join(struct cut_line *cut, uint64_t owner, const char *text, size_t length,
                  struct cut_text *result, struct probe_error *error);
void cut_line_free(struct cut_line *cut);

#endif
