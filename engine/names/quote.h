/* SPDX-License-Identifier: MIT */
/* Strings of a process, in quotes. */
#ifndef ENGINE_QUOTE_H
#define ENGINE_QUOTE_H

#include <stddef.h>

/* Room for a string of MOST bytes: each may be escaped; quotes, dots. */
#define QUOTE_ROOM(most) (2 * (most) + 5)

/*
 * Writes LENGTH bytes of TEXT in quotes to OUT, with C's escapes for the quote, the backslash, tab,
 * newline and carriage return: MOST bytes of it at most, and "..." behind the quotes where there
 * are more. Returns the length written, without a NUL; 0 where TEXT is not printable UTF-8, in what
 * is shown of it.
 */
size_t text_quote(const char *text, size_t length, size_t most, char *out);

#endif
