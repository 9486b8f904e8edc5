/* SPDX-License-Identifier: MIT */
/* Adds to an update the probes that a pattern or a predicate selects. */
#include "target/match.h"
#include "update/update.h"

#include <errno.h>

struct addition {
    struct probe_update *update;
    struct plan_change change;
    bool is_pair;
    size_t count, last;      /* how many were added, and the index of the last one */
    const char *passed_over; /* one that has no counter, and so is not added */
    ssize_t passed_count;
    const char *pattern;
};

/* Does this change leave the probe on? Decides which one of a pair comes first. */
static bool switches_on(const struct plan_change *change)
{
    return change->action == PROBE_SWITCH_ON || change->action == PROBE_COUNT_ADD ||
           (change->action == PROBE_COUNT_SET && change->value > 0);
}

/* What PATTERN means has no counter, NAME for one. */
static int fail_watch_only(const struct addition *addition, const char *name,
                           struct probe_error *error)
{
    return error_set(error, ENOENT,
                     "process %d has no probe that '%s' could switch: '%s' has no semaphore, so it "
                     "can be watched, not switched",
                     addition->update->target->image.pid, addition->pattern, name);
}

static int add_to_update(void *data, size_t index, struct probe_error *error)
{
    struct addition *addition = data;
    const struct probe_target *target = addition->update->target;
    if (!probe_target_is_switchable(target, index)) {
        addition->passed_over = probe_target_name(target, index);
        addition->passed_count++;
        return addition->is_pair ? fail_watch_only(addition, addition->passed_over, error) : 0;
    }
    int status = update_add(addition->update, index, &addition->change, error);
    /* The second of a pair follows the first, even if an earlier pattern added both. */
    if (status == 0 && addition->is_pair && addition->count > 0)
        update_order(addition->update, addition->last, index);
    addition->last = index;
    addition->count++;
    return status;
}

ssize_t probe_update_add_if(struct probe_update *update, probe_predicate *predicate, void *data,
                            enum probe_action action, unsigned int value, struct probe_error *error)
{
    const struct probe_target *target = update->target;
    const struct plan_change change = {.action = action, .value = value};
    ssize_t matched = 0;
    for (size_t i = 0; i < target->probe_count; i++) {
        if (!probe_target_is_switchable(target, i) ||
            !predicate(data, i, probe_target_name(target, i)))
            continue;
        int status = update_add(update, i, &change, error);
        if (status < 0)
            return status;
        matched++;
    }
    if (matched == 0)
        return error_set(error, ENOENT, "process %d has no probe that is meant", target->image.pid);
    return matched;
}

ssize_t probe_update_add_pattern(struct probe_update *update, const char *pattern,
                                 enum probe_action action, unsigned int value,
                                 struct probe_error *error)
{
    char owner[MATCH_OWNER_SIZE];
    struct addition addition = {
        .update = update,
        .change = {.action = action, .value = value},
        .is_pair = select_is_pair(pattern),
        .pattern = pattern,
    };
    const struct select_names names = match_names(update->target, owner);
    ssize_t matched = select_names(&names, pattern, switches_on(&addition.change), add_to_update,
                                   &addition, error);
    if (matched > 0 && matched == addition.passed_count)
        return fail_watch_only(&addition, addition.passed_over, error);
    return matched < 0 ? matched : matched - addition.passed_count;
}
