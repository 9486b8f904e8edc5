/* SPDX-License-Identifier: MIT */
#include "start/switching.h"

#include "target/match.h"

#include <errno.h>
#include <stdlib.h>

/* One attempt at switching what TARGET has. */
struct attempt {
    struct switching *switching;
    struct probe_target *target;
    struct probe_update *update;
    bool *off; /* for each probe: is it to be switched off? */
    bool hit;  /* has the pattern that is added met a probe that can be switched? */
    enum probe_action action;
};

int switching_init(struct switching *switching, const struct probe_launch_options *options)
{
    *switching = (struct switching){.options = options};
    switching->matched = calloc(switching_count(switching) + 1, sizeof(*switching->matched));
    return switching->matched ? 0 : -ENOMEM;
}

void switching_done(struct switching *switching)
{
    free(switching->matched);
}

size_t switching_count(const struct switching *switching)
{
    return switching->options->on_count + switching->options->off_count;
}

const char *switching_pattern(const struct switching *switching, size_t i)
{
    const struct probe_launch_options *options = switching->options;
    return i < options->on_count ? options->on[i] : options->off[i - options->on_count];
}

bool switching_any(const struct switching *switching)
{
    for (size_t i = 0; i < switching_count(switching); i++) {
        if (switching->matched[i])
            return true;
    }
    return false;
}

int switching_match(struct switching *switching, const struct probe_target *target, bool *on,
                    bool *off, struct probe_error *error)
{
    for (size_t i = 0; i < switching_count(switching); i++) {
        bool *chosen = i < switching->options->on_count ? on : off;
        ssize_t found = probe_target_match(target, switching_pattern(switching, i), chosen, error);
        if (found < 0 && found != -ENOENT)
            return (int)found;
        if (found > 0)
            switching->matched[i] = true;
    }
    return 0;
}

/* Adds what is to be switched off, and of the rest what is to be switched on. */
static int add_probe(void *data, size_t index, struct probe_error *error)
{
    struct attempt *attempt = data;
    if (!probe_target_is_switchable(attempt->target, index))
        return 0;
    attempt->hit = true;
    if (attempt->action == PROBE_SWITCH_OFF)
        attempt->off[index] = true;
    else if (attempt->off[index])
        return 0;
    return probe_update_add(attempt->update, index, attempt->action, 0, error);
}

static int add_pattern(struct attempt *attempt, size_t i, struct probe_error *error)
{
    char owner[MATCH_OWNER_SIZE];
    const struct select_names names = match_names(attempt->target, owner);
    const char *pattern = switching_pattern(attempt->switching, i);
    bool on = attempt->action == PROBE_SWITCH_ON;
    attempt->hit = false;
    ssize_t found = select_names(&names, pattern, on, add_probe, attempt, error);
    if (attempt->hit)
        attempt->switching->matched[i] = true;
    return found >= 0 || found == -ENOENT ? 0 : (int)found;
}

/* The kinds of patterns, in their order: a pair's order holds if it comes before the others. */
enum kind { KIND_OFF, KIND_ON_PAIR, KIND_ON, KINDS };

static enum kind kind_of(const struct switching *switching, size_t i)
{
    if (i >= switching->options->on_count)
        return KIND_OFF;
    return select_is_pair(switching_pattern(switching, i)) ? KIND_ON_PAIR : KIND_ON;
}

static int add_patterns(struct attempt *attempt, struct probe_error *error)
{
    int status = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        attempt->action = kind == KIND_OFF ? PROBE_SWITCH_OFF : PROBE_SWITCH_ON;
        for (size_t i = 0; i < switching_count(attempt->switching) && status == 0; i++) {
            if ((int)kind_of(attempt->switching, i) == kind)
                status = add_pattern(attempt, i, error);
        }
    }
    return status;
}

/* A probe_attempt. */
static int apply_once(void *data, struct probe_error *error)
{
    struct attempt *attempt = data;
    attempt->off = calloc(probe_target_count(attempt->target) + 1, sizeof(*attempt->off));
    int status = attempt->off ? probe_update_new(attempt->target, &attempt->update) : -ENOMEM;
    if (status < 0) {
        free(attempt->off);
        return error_memory(error);
    }
    status = add_patterns(attempt, error);
    if (status == 0)
        status = probe_update_apply(attempt->update, error);
    probe_update_free(attempt->update);
    free(attempt->off);
    return status;
}

/* A thread that a constructor started may load more libraries at the same time. */
int switching_apply(struct switching *switching, struct probe_target *target,
                    struct probe_error *error)
{
    struct attempt attempt = {.switching = switching, .target = target};
    int status = probe_target_look(target, error);
    return status < 0 ? status : probe_target_settle(target, apply_once, &attempt, error);
}
