/* SPDX-License-Identifier: MIT */
#include "nodes/counts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

/* How often two counters are compared until both stand still. */
enum { STILL_TRIES = 1000 };

/* A probe of a group, by its place in the watch. */
struct counted {
    bool active;
    uint64_t base;   /* the watch's count that is none of ours, */
    uint64_t before; /* and what was counted by another watch */
};

struct count_group {
    struct probe_watch *watch;
    int attacher;
    struct counted *probes; /* as many as the watch has */
    size_t active;
    struct count_group *prev, *next;
};

static uint64_t count_of(const struct count_group *group, size_t i)
{
    return group->probes[i].before + probe_watch_hits(group->watch, i) - group->probes[i].base;
}

static void group_free(struct count_group *group)
{
    if (!group)
        return;
    probe_watch_release(group->watch);
    probe_watch_free(group->watch);
    if (group->attacher >= 0)
        close(group->attacher);
    free(group->probes);
    free(group);
}

void counts_done(struct counts *counts)
{
    struct count_group *group = NULL;
    struct count_group *next = NULL;
    DL_FOREACH_SAFE(counts->groups, group, next)
    {
        DL_DELETE(counts->groups, group);
        group_free(group);
    }
}

/* ---- looking ----------------------------------------------------------------------------- */

/* The group that counts NAME, and its place there; or NULL. */
static struct count_group *find_counted(const struct counts *counts, const char *name,
                                        size_t *index)
{
    struct count_group *group = NULL;
    DL_FOREACH(counts->groups, group)
    {
        for (size_t i = 0; i < probe_watch_count(group->watch); i++) {
            if (!group->probes[i].active || strcmp(probe_watch_name(group->watch, i), name) != 0)
                continue;
            *index = i;
            return group;
        }
    }
    return NULL;
}

bool counts_find(const struct counts *counts, const char *name, uint64_t *count)
{
    size_t index = 0;
    const struct count_group *group = find_counted(counts, name, &index);
    if (group)
        *count = count_of(group, index);
    return group;
}

int counts_visit_all(const struct counts *counts, counts_visit *visit, void *data)
{
    int status = 0;
    const struct count_group *group = NULL;
    DL_FOREACH(counts->groups, group)
    {
        for (size_t i = 0; i < probe_watch_count(group->watch) && status == 0; i++) {
            if (group->probes[i].active)
                status = visit(data, probe_watch_name(group->watch, i), count_of(group, i));
        }
    }
    return status;
}

/* A watch that only counts has nothing to be read but its end. */
bool counts_have_ended(const struct counts *counts)
{
    const struct count_group *group = NULL;
    DL_FOREACH(counts->groups, group)
    {
        if (probe_watch_wait(group->watch, 0) != 0)
            return true;
    }
    return false;
}

/* ---- beginning --------------------------------------------------------------------------- */

static int settle(struct probe_watch *watch, unsigned int wait_ms, pid_t pid,
                  struct probe_error *error)
{
    int status = probe_watch_settle(watch, (int)wait_ms, error);
    if (status != -EINPROGRESS)
        return status;
    snprintf(error->text, sizeof(error->text),
             "process %d: its probes are not attached to yet, as the kernel takes long, or others "
             "come first: try again",
             pid);
    return -ETIMEDOUT;
}

/* A group of the COUNT probes at INDICES, which counts once this returns. */
static int group_new(struct probe_target *target, const size_t *indices, size_t count,
                     const struct counts_ask *ask, struct count_group **result,
                     struct probe_error *error)
{
    struct count_group *group = calloc(1, sizeof(*group));
    if (!group)
        return -ENOMEM;
    group->attacher = fcntl(ask->attacher, F_DUPFD_CLOEXEC, 0);
    const struct probe_watch_options options = {
        .counts_only = true, .room = 1, .attacher = group->attacher};
    int status = group->attacher < 0
                     ? -errno
                     : probe_watch_new(target, indices, count, &options, &group->watch, error);
    if (status == 0)
        status = settle(group->watch, ask->wait_ms, probe_target_pid(target), error);
    if (status == 0) {
        group->active = probe_watch_count(group->watch);
        group->probes = calloc(group->active + 1, sizeof(*group->probes));
        status = group->probes ? 0 : -ENOMEM;
    }
    if (status < 0) {
        if (group->watch)
            probe_watch_release(group->watch);
        probe_watch_free(group->watch);
        if (group->attacher >= 0)
            close(group->attacher);
        free(group);
        return status;
    }
    for (size_t i = 0; i < group->active; i++)
        group->probes[i].active = true;
    *result = group;
    return 0;
}

/* Those that are CHOSEN and not counted yet. */
static size_t find_new(const struct counts *counts, const struct probe_target *target,
                       const bool *chosen, size_t *indices)
{
    size_t found = 0;
    size_t unused = 0;
    for (size_t i = 0; i < probe_target_count(target); i++) {
        if (chosen[i] && !find_counted(counts, probe_target_name(target, i), &unused))
            indices[found++] = i;
    }
    return found;
}

static void begin_anew(const struct counts *counts, const struct probe_target *target,
                       const bool *chosen)
{
    for (size_t i = 0; i < probe_target_count(target); i++) {
        size_t index = 0;
        struct count_group *group =
            chosen[i] ? find_counted(counts, probe_target_name(target, i), &index) : NULL;
        if (!group)
            continue;
        group->probes[index].before = 0;
        group->probes[index].base = probe_watch_hits(group->watch, index);
    }
}

int counts_begin(struct counts *counts, struct probe_target *target, const bool *chosen,
                 struct counts_ask *ask, struct probe_error *error)
{
    struct count_group *group = NULL;
    int status = 0;
    size_t *indices = calloc(probe_target_count(target) + 1, sizeof(*indices));
    if (!indices)
        return -ENOMEM;
    size_t count = find_new(counts, target, chosen, indices);
    if (count > 0)
        status = group_new(target, indices, count, ask, &group, error);
    free(indices);
    if (status < 0)
        return status;
    begin_anew(counts, target, chosen);
    if (group)
        DL_APPEND(counts->groups, group);
    return 0;
}

/* ---- ending ------------------------------------------------------------------------------ */

/*
 * The probe at I of GROUP goes on as the probe at J of NEXT, which counts already: from a moment at
 * which both stood still.
 */
static void hand_over(const struct count_group *group, size_t i, struct count_group *next, size_t j)
{
    uint64_t old = 0;
    uint64_t base = 0;
    for (int tries = 0; tries < STILL_TRIES; tries++) {
        base = probe_watch_hits(next->watch, j);
        old = count_of(group, i);
        if (probe_watch_hits(next->watch, j) == base && count_of(group, i) == old)
            break;
    }
    next->probes[j].before = old;
    next->probes[j].base = base;
}

/* Has what is left of GROUP counted by another, so that the kernel lets go of the rest. */
static int replace_group(struct counts *counts, struct probe_target *target,
                         struct count_group *group, const struct counts_ask *ask,
                         struct probe_error *error)
{
    struct count_group *next = NULL;
    size_t count = 0;
    size_t *indices = calloc(group->active + 1, sizeof(*indices));
    if (!indices)
        return -ENOMEM;
    for (size_t i = 0; i < probe_watch_count(group->watch); i++) {
        ssize_t index = probe_target_find(target, probe_watch_name(group->watch, i));
        if (group->probes[i].active && index >= 0)
            indices[count++] = (size_t)index;
    }
    int status = group_new(target, indices, count, ask, &next, error);
    free(indices);
    if (status < 0)
        return status;
    for (size_t i = 0; i < probe_watch_count(group->watch); i++) {
        for (size_t j = 0; j < probe_watch_count(next->watch); j++) {
            if (group->probes[i].active &&
                strcmp(probe_watch_name(group->watch, i), probe_watch_name(next->watch, j)) == 0)
                hand_over(group, i, next, j);
        }
    }
    DL_REPLACE_ELEM(counts->groups, group, next);
    group_free(group);
    return 0;
}

/* Takes out what is CHOSEN. Returns how many were. */
static size_t take_out(struct count_group *group, const struct probe_target *target,
                       const bool *chosen)
{
    size_t taken = 0;
    for (size_t i = 0; i < probe_watch_count(group->watch); i++) {
        ssize_t index = probe_target_find(target, probe_watch_name(group->watch, i));
        if (!group->probes[i].active || (index >= 0 && !chosen[index]))
            continue;
        group->probes[i].active = false;
        group->active--;
        taken++;
    }
    return taken;
}

int counts_end(struct counts *counts, struct probe_target *target, const bool *chosen,
               struct counts_ask *ask, struct probe_error *error)
{
    int status = 0;
    struct count_group *group = NULL;
    struct count_group *next = NULL;
    DL_FOREACH_SAFE(counts->groups, group, next)
    {
        if (take_out(group, target, chosen) == 0)
            continue;
        if (group->active > 0) {
            int replaced = replace_group(counts, target, group, ask, error);
            status = status < 0 ? status : replaced;
            continue;
        }
        DL_DELETE(counts->groups, group);
        group_free(group);
    }
    return status;
}
