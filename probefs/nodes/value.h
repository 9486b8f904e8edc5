/* SPDX-License-Identifier: MIT */
/* What people write into files: text in, an action out. */
#ifndef PROBEFS_VALUE_H
#define PROBEFS_VALUE_H

#include <probe-engine.h>

#include <stddef.h>

struct value {
    enum probe_action action;
    unsigned int number; /* for PROBE_COUNT_SET, else 0 */
};

/* "0" or "1", with at most one newline behind. Errors: EINVAL. */
int value_parse_switch(const char *text, size_t length, struct value *value,
                       struct probe_error *error);

/* "+1", "-1" or a number, likewise. Errors: EINVAL; ERANGE the number is above 65535. */
int value_parse_count(const char *text, size_t length, struct value *value,
                      struct probe_error *error);

/* A word of `control`: "0", "1", "+1", "-1" or "=" and a number. Errors: EINVAL, ERANGE. */
int value_parse_command(const char *text, size_t length, struct value *value,
                        struct probe_error *error);

#endif
