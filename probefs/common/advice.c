/* SPDX-License-Identifier: MIT */
#include "common/advice.h"

#include <stdio.h>
#include <string.h>

static const char *find_advice(enum probe_reason reason)
{
    switch (reason) {
    case PROBE_REASON_TRACED:
    case PROBE_REASON_UNSTOPPED:
        return ", or mount with engine=vm";
    case PROBE_REASON_YAMA:
        return " through a mount of root's, or as a member of its group (-o gid=)";
    case PROBE_REASON_COUNTED:
        return ", with -1";
    case PROBE_REASON_GIGATEXT:
        return ": mount with -o allow_gigatext to do so";
    case PROBE_REASON_WATCH_ONLY:
        return "; mount with -o all to see it";
    case PROBE_REASON_NONE:
        break;
    }
    return "";
}

void advice_add(struct probe_error *error)
{
    size_t length = strlen(error->text);
    if (length > 0)
        snprintf(error->text + length, sizeof(error->text) - length, "%s",
                 find_advice(error->reason));
    error->reason = PROBE_REASON_NONE;
}
