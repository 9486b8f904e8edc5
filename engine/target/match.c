/* SPDX-License-Identifier: MIT */
#include "target/match.h"

#include <stdio.h>

static const char *name_of(const void *data, size_t index)
{
    return probe_target_name(data, index);
}

static ssize_t find_name(const void *data, const char *name)
{
    return probe_target_find(data, name);
}

struct select_names match_names(const struct probe_target *target, char owner[MATCH_OWNER_SIZE])
{
    snprintf(owner, MATCH_OWNER_SIZE, "process %d", target->image.pid);
    return (struct select_names){
        .owner = owner,
        .data = target,
        .count = probe_target_count(target),
        .name = name_of,
        .find = find_name,
    };
}

static int choose(void *data, size_t index, struct probe_error *error)
{
    bool *chosen = data;
    (void)error;
    chosen[index] = true;
    return 0;
}

ssize_t probe_target_match(const struct probe_target *target, const char *pattern, bool *chosen,
                           struct probe_error *error)
{
    char owner[MATCH_OWNER_SIZE];
    const struct select_names names = match_names(target, owner);
    return select_names(&names, pattern, false, choose, chosen, error);
}
