/* SPDX-License-Identifier: MIT */
#include "nodes/holds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct hold {
    char *name;
    struct probe_reference *reference;
    bool has_claim; /* else somebody set the counters since it was taken */
    struct hold *prev, *next;
};

static void hold_free(struct hold *hold)
{
    probe_reference_free(hold->reference);
    free(hold->name);
    free(hold);
}

static int hold_new(const char *name, struct hold **result)
{
    struct hold *hold = calloc(1, sizeof(*hold));
    if (!hold || !(hold->name = strdup(name))) {
        free(hold);
        return -ENOMEM;
    }
    *result = hold;
    return 0;
}

/* Lists the hold, whose reference was taken or restored with STATUS. */
static int hold_list(struct holds *holds, struct hold *hold, int status, struct hold **result)
{
    if (status < 0) {
        hold_free(hold);
        return status;
    }
    hold->has_claim = true;
    DL_APPEND(holds->list, hold);
    *result = hold;
    return 0;
}

int holds_add(struct holds *holds, struct probe_target *target, size_t index, const char *name,
              struct hold **result, struct probe_error *error)
{
    struct hold *hold = NULL;
    int status = hold_new(name, &hold);
    if (status < 0)
        return status;
    return hold_list(holds, hold, probe_reference_take(target, index, &hold->reference, error),
                     result);
}

int holds_save(const struct hold *hold, char **bytes, size_t *length)
{
    return probe_reference_save(hold->reference, bytes, length);
}

int holds_take_over(struct holds *holds, const char *bytes, size_t length, const char *name,
                    struct hold **result)
{
    struct hold *hold = NULL;
    int status = hold_new(name, &hold);
    if (status < 0)
        return status;
    return hold_list(holds, hold, probe_reference_restore(bytes, length, &hold->reference), result);
}

static void end_claim(struct hold *hold)
{
    if (hold->has_claim)
        probe_reference_forget(hold->reference);
    hold->has_claim = false;
}

int holds_release(struct holds *holds, struct probe_target *target, struct hold *hold,
                  struct probe_reference **reference, char **name, struct probe_error *error)
{
    int status = 0;
    if (target && hold->has_claim)
        status = probe_reference_give(target, hold->reference, error);
    else
        end_claim(hold);
    if (status == -ENOMEM || status == -EINPROGRESS)
        return status;
    DL_DELETE(holds->list, hold);
    *reference = hold->reference;
    *name = hold->name;
    free(hold);
    return status;
}

void holds_end_claims(struct holds *holds, const char *name)
{
    struct hold *hold = NULL;
    DL_FOREACH(holds->list, hold)
    {
        if (strcmp(hold->name, name) == 0)
            end_claim(hold);
    }
}

size_t holds_count(const struct holds *holds, const char *name)
{
    size_t count = 0;
    struct hold *hold = NULL;
    DL_FOREACH(holds->list, hold)
    count += hold->has_claim && strcmp(hold->name, name) == 0;
    return count;
}
