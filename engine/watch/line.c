/* SPDX-License-Identifier: MIT */
/* By hand, as printf() would take most of a reader's time. */
#include "watch/line.h"

#include <string.h>
#include <time.h>

enum { DIGITS_MAX = 20 };

char *line_put_text(char *to, const char *text)
{
    size_t length = strlen(text);
    memcpy(to, text, length);
    return to + length;
}

char *line_put_decimal(char *to, uint64_t value)
{
    char digits[DIGITS_MAX];
    size_t first = DIGITS_MAX;
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(to, digits + first, DIGITS_MAX - first);
    return to + (DIGITS_MAX - first);
}

char *line_put_signed(char *to, int64_t value)
{
    if (value >= 0)
        return line_put_decimal(to, (uint64_t)value);
    *to++ = '-';
    return line_put_decimal(to, 0 - (uint64_t)value);
}

char *line_put_hex(char *to, uint64_t value)
{
    int shift = 60;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    to = line_put_text(to, "0x");
    for (; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[value >> shift & 15];
    return to;
}

char *line_put_time(char *to, struct line_clock *clock, int64_t nanoseconds)
{
    int64_t second = nanoseconds / 1000000000;
    uint64_t micro = (uint64_t)(nanoseconds % 1000000000) / 1000;
    if (second != clock->second) {
        struct tm parts;
        time_t when = (time_t)second;
        gmtime_r(&when, &parts);
        clock->length = strftime(clock->text, sizeof(clock->text), "%Y-%m-%dT%H:%M:%S.", &parts);
        clock->second = second;
    }
    memcpy(to, clock->text, clock->length);
    to += clock->length;
    for (uint64_t unit = 100000; unit > 0; unit /= 10)
        *to++ = (char)('0' + micro / unit % 10);
    *to++ = 'Z';
    return to;
}
