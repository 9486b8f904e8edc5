/* SPDX-License-Identifier: MIT */
/*
 * A text that is written as a file is. As open_memstream(), but for what happens without memory:
 * that one gives an empty text then, and says that all is well.
 */
#ifndef PROBEFS_TEXT_H
#define PROBEFS_TEXT_H

#include <stdio.h>

struct text {
    char *bytes; /* to be freed; NULL where there are none */
    size_t length, room;
};

/* What is written goes into TEXT, which is empty. NULL without memory. */
FILE *text_open(struct text *text);
/* Ends that. Returns 0, or -ENOMEM where not all of it could be kept: then TEXT is empty. */
int text_close(struct text *text, FILE *out);

/*
 * What a worker sends may reach root's terminal, and its user may have taken it over: a `?` takes
 * the place of each control byte but newline and tab.
 */
void text_clean(char *bytes, size_t length);

#endif
