/* SPDX-License-Identifier: MIT */
/*
 * The text of `control`: lines of VALUE NAME..., in words parted by blanks; a word that begins with
 * # begins a comment.
 */
#ifndef PROBEFS_CONTROL_H
#define PROBEFS_CONTROL_H

#include "value.h"

#include <stddef.h>

/* One NAME of one line. */
struct control_command {
    struct value value;
    char *pattern;
    unsigned int line; /* counted from 1 */
};

struct control {
    struct control_command *commands;
    size_t count, room;
};

/*
 * Parses LENGTH bytes of TEXT, whole lines but for the last newline. Errors: EINVAL, with a
 * sentence that names the line; ERANGE a number too high; ENOMEM.
 */
int control_parse(const char *text, size_t length, struct control *control,
                  struct probe_error *error);
void control_done(struct control *control);

#endif
