/* SPDX-License-Identifier: MIT */
#include "target/problems.h"

#include "shared/array.h"

#include <stdlib.h>
#include <string.h>

/* A hostile target makes us hold no more. */
enum { PROBLEMS_MAX = 32 };

static const char more[] = "there is more that is not shown, which does not fit in here";

static bool problems_have(const struct problems *problems, const char *sentence)
{
    for (size_t i = 0; i < problems->count; i++) {
        if (strcmp(problems->items[i].sentence, sentence) == 0)
            return true;
    }
    return false;
}

void problems_add(struct problems *problems, const struct problem *problem)
{
    if (problems->count == PROBLEMS_MAX || problems_have(problems, problem->sentence))
        return;
    if (ARRAY_RESERVE(problems->items, problems->room, problems->count + 1) < 0)
        return;
    struct problem *added = &problems->items[problems->count];
    bool is_last = problems->count + 1 == PROBLEMS_MAX;
    *added = (struct problem){
        .sentence = strdup(is_last ? more : problem->sentence),
        .reason = is_last ? PROBE_REASON_NONE : problem->reason,
        .minor = problem->minor,
    };
    problems->count += added->sentence != NULL;
}

const struct problem *problems_get(const struct problems *problems, size_t i, bool minor)
{
    for (size_t at = 0; at < problems->count; at++) {
        const struct problem *problem = &problems->items[at];
        if (problem->minor && !minor)
            continue;
        if (i-- == 0)
            return problem;
    }
    return NULL;
}

void problems_done(struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        free(problems->items[i].sentence);
    free(problems->items);
    *problems = (struct problems){.items = NULL};
}
