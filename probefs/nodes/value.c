/* SPDX-License-Identifier: MIT */
#include "nodes/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The length without the one newline that may end a value. */
static size_t without_newline(const char *text, size_t length)
{
    return length > 0 && text[length - 1] == '\n' ? length - 1 : length;
}

int value_parse_switch(const char *text, size_t length, struct value *value,
                       struct probe_error *error)
{
    length = without_newline(text, length);
    if (length == 1 && (text[0] == '0' || text[0] == '1')) {
        *value = (struct value){text[0] == '1' ? PROBE_SWITCH_ON : PROBE_SWITCH_OFF, 0};
        return 0;
    }
    snprintf(error->text, sizeof(error->text),
             "what was written to 'enabled' is not a value: write 0 or 1");
    return -EINVAL;
}

static bool is_text(const char *text, size_t length, const char *expected)
{
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

/* Digits alone, at least one. */
static int parse_number(const char *text, size_t length, unsigned int *number)
{
    unsigned int found = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        if (found <= UINT16_MAX)
            found = found * 10 + (unsigned int)(text[i] - '0');
    }
    *number = found;
    return length == 0 ? -EINVAL : found > UINT16_MAX ? -ERANGE : 0;
}

static int parse_step(const char *text, size_t length, struct value *value)
{
    if (is_text(text, length, "+1"))
        *value = (struct value){PROBE_COUNT_ADD, 0};
    else if (is_text(text, length, "-1"))
        *value = (struct value){PROBE_COUNT_SUBTRACT, 0};
    else
        return -EINVAL;
    return 0;
}

static int fail_count(int status, const char *usage, struct probe_error *error)
{
    if (status == -ERANGE)
        snprintf(error->text, sizeof(error->text), "a semaphore has 16 bits: write at most %d",
                 UINT16_MAX);
    else
        snprintf(error->text, sizeof(error->text), "%s", usage);
    return status;
}

int value_parse_count(const char *text, size_t length, struct value *value,
                      struct probe_error *error)
{
    unsigned int number = 0;
    length = without_newline(text, length);
    if (parse_step(text, length, value) == 0)
        return 0;
    int status = parse_number(text, length, &number);
    if (status < 0)
        return fail_count(
            status, "what was written to 'semaphore' is not a value: write +1, -1 or a number",
            error);
    *value = (struct value){PROBE_COUNT_SET, number};
    return 0;
}

int value_parse_command(const char *text, size_t length, struct value *value,
                        struct probe_error *error)
{
    unsigned int number = 0;
    if (parse_step(text, length, value) == 0 ||
        (length == 1 && value_parse_switch(text, length, value, error) == 0))
        return 0;
    int status = text[0] == '=' ? parse_number(text + 1, length - 1, &number) : -EINVAL;
    if (status < 0)
        return fail_count(status, "a line of 'control' begins with 0, 1, +1, -1 or = and a number",
                          error);
    *value = (struct value){PROBE_COUNT_SET, number};
    return 0;
}
