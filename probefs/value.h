/* SPDX-License-Identifier: MIT */
/* What people write into files: text in, an action out. */
#ifndef PROBEFS_VALUE_H
#define PROBEFS_VALUE_H

#include <probe-engine.h>

struct value {
    enum probe_action action;
    unsigned int number; /* for PROBE_COUNT_SET, else 0 */
};

/* "0" or "1", with at most one newline behind. Errors: EINVAL. */
int value_parse_switch(const char *text, size_t length, struct value *value,
                       struct probe_error *error);

#endif
