/* SPDX-License-Identifier: MIT */
#include "value.h"

#include <errno.h>
#include <stdio.h>

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
