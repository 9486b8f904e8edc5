/* SPDX-License-Identifier: MIT */
/*
 * The text of `control`: lines of VALUE NAME..., in words parted by blanks; a word that begins with
 * # begins a comment.
 */
#ifndef PROBEFS_CONTROL_LINES_H
#define PROBEFS_CONTROL_LINES_H

#include "nodes/value.h"

#include <stddef.h>

/* A line of what was written, for sentences on it. */
struct control_line {
    unsigned int number; /* counted from 1 */
    const char *text;    /* in what was written */
    size_t length;
};

/* One NAME of one line. */
struct control_command {
    struct value value;
    char *pattern;
    struct control_line line;
};

struct control {
    struct control_command *commands;
    size_t count, room;
};

/*
 * Parses LENGTH bytes of TEXT, whole lines but for the last newline; TEXT must outlive CONTROL.
 * Errors: EINVAL, with a sentence that names the line; ERANGE a number too high; ENOMEM.
 */
int control_parse(const char *text, size_t length, struct control *control,
                  struct probe_error *error);
void control_done(struct control *control);

/* Begins the sentence with the number and the text (escaped, and cut) of LINE. */
void control_name_line(const struct control_line *line, struct probe_error *error);

#endif
