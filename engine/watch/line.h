/* SPDX-License-Identifier: MIT */
/* Writes the parts of a line. The caller has made sure of the room. */
#ifndef ENGINE_WATCH_LINE_H
#define ENGINE_WATCH_LINE_H

#include <stddef.h>
#include <stdint.h>

/* The beginning of a time, which stays the same for a second. */
struct line_clock {
    int64_t second; /* -1: none yet */
    char text[24];
    size_t length;
};

/* Each returns where the next part goes. */
char *line_put_text(char *to, const char *text);
char *line_put_decimal(char *to, uint64_t value);
char *line_put_signed(char *to, int64_t value);
char *line_put_hex(char *to, uint64_t value);

/* NANOSECONDS since 1970, as 2026-11-30T08:35:12.507468Z. */
char *line_put_time(char *to, struct line_clock *clock, int64_t nanoseconds);

#endif
