/* SPDX-License-Identifier: MIT */
/*
 * All probes of a group are counted. To take some out, the rest is watched by another group, which
 * counts before the first one ends. So each change attaches what it needs first; from there on it
 * cannot fail. Groups that end are all released before one is waited for: the kernel takes some 30
 * ms for each, and is at all of them at the same time.
 */
#include "nodes/counts.h"

#include "shared/array.h"
#include "shared/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

/* How often two counters are compared until both stand still. */
enum { STILL_TRIES = 1000 };

struct counted {
    const char *name; /* the watch's */
    struct count_group *group;
    size_t place;    /* in the watch */
    uint64_t base;   /* the watch's count that is none of ours, */
    uint64_t before; /* and what was counted by another watch */
};

struct count_group {
    struct probe_watch *watch;
    int attacher;
    struct counted *probes; /* as many as the watch has */
    uint64_t generation;    /* of the target, when its sites were planned last */
    bool is_changing;       /* while a change is under way: it concerns one of the probes */
    struct count_group *prev, *next;
};

static size_t group_size(const struct count_group *group)
{
    return probe_watch_count(group->watch);
}

static uint64_t watched(const struct counted *counted)
{
    return probe_watch_hits(counted->group->watch, counted->place);
}

static uint64_t count_of(const struct counted *counted)
{
    return counted->before + watched(counted) - counted->base;
}

/* ---- looking ----------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const struct counted *const *x = a;
    const struct counted *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Makes the list of what the groups count; it has room for them. */
static void list_all(struct counts *counts)
{
    const struct count_group *group = NULL;
    counts->count = 0;
    DL_FOREACH(counts->groups, group)
    {
        for (size_t i = 0; i < group_size(group); i++)
            counts->list[counts->count++] = &group->probes[i];
    }
    if (counts->count > 0)
        qsort(counts->list, counts->count, sizeof(struct counted *), compare_names);
}

/* The counter of NAME, or NULL. */
static struct counted *find_counted(const struct counts *counts, const char *name)
{
    const struct counted wanted = {.name = name};
    const struct counted *key = &wanted;
    struct counted **found = counts->count ? bsearch(&key, counts->list, counts->count,
                                                     sizeof(struct counted *), compare_names)
                                           : NULL;
    return found ? *found : NULL;
}

bool counts_find(const struct counts *counts, const char *name, uint64_t *count)
{
    const struct counted *counted = find_counted(counts, name);
    if (counted)
        *count = count_of(counted);
    return counted;
}

int counts_visit_all(const struct counts *counts, counts_visit *visit, void *data)
{
    int status = 0;
    for (size_t i = 0; i < counts->count && status == 0; i++)
        status = visit(data, counts->list[i]->name, count_of(counts->list[i]));
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

/* ---- groups ------------------------------------------------------------------------------ */

/* Waits where it is not detached yet. */
static void group_free(struct count_group *group)
{
    probe_watch_free(group->watch);
    if (group->attacher >= 0)
        close(group->attacher);
    free(group->probes);
    free(group);
}

/* Begins to end GROUP, which is on no list. */
static void group_leave(struct counts *counts, struct count_group *group)
{
    probe_watch_release(group->watch);
    DL_APPEND(counts->leaving, group);
}

static int settle(struct count_group *group, const struct timespec *deadline, pid_t pid,
                  struct probe_error *error)
{
    int status = probe_watch_settle(group->watch, clock_poll_timeout(deadline), error);
    if (status != -EINPROGRESS)
        return status;
    snprintf(error->text, sizeof(error->text),
             "process %d: its probes are not attached to yet, as the kernel takes long, or others "
             "come first: try again",
             pid);
    return -ETIMEDOUT;
}

/* Has the COUNT probes at INDICES watched by GROUP, which is new. */
static int group_watch(struct count_group *group, struct probe_target *target,
                       const size_t *indices, size_t count, const struct timespec *deadline,
                       struct probe_error *error)
{
    const struct probe_watch_options options = {
        .counts_only = true, .room = 1, .attacher = group->attacher, .leaves_out = true};
    group->probes = calloc(count + 1, sizeof(*group->probes));
    if (!group->probes)
        return -ENOMEM;
    int status = probe_watch_new(target, indices, count, &options, &group->watch, error);
    if (status == 0)
        status = settle(group, deadline, probe_target_pid(target), error);
    if (status < 0)
        return status;
    for (size_t i = 0; i < group_size(group); i++)
        group->probes[i] = (struct counted){
            .name = probe_watch_name(group->watch, i),
            .group = group,
            .place = i,
        };
    group->generation = probe_target_generation(target);
    return 0;
}

/* A group of the COUNT probes at INDICES, which counts once this returns; of none: NULL. */
static int group_new(struct probe_target *target, const size_t *indices, size_t count,
                     const struct counts_ask *ask, struct count_group **result,
                     struct probe_error *error)
{
    *result = NULL;
    if (count == 0)
        return 0;
    struct count_group *group = calloc(1, sizeof(*group));
    if (!group)
        return -ENOMEM;
    group->attacher = fcntl(ask->attacher, F_DUPFD_CLOEXEC, 0);
    int status = group->attacher < 0
                     ? -EMFILE
                     : group_watch(group, target, indices, count, &ask->deadline, error);
    if (status < 0)
        group_free(group);
    else
        *result = group;
    return status;
}

/* Frees what is detached by DEADLINE (NULL: all, whenever that is). */
static void await_leaving(struct counts *counts, const struct timespec *deadline)
{
    struct count_group *group = NULL;
    struct count_group *next = NULL;
    DL_FOREACH_SAFE(counts->leaving, group, next)
    {
        if (deadline && probe_watch_end(group->watch, clock_poll_timeout(deadline)) < 0)
            continue;
        DL_DELETE(counts->leaving, group);
        group_free(group);
    }
}

void counts_release(struct counts *counts)
{
    struct count_group *group = NULL;
    struct count_group *next = NULL;
    DL_FOREACH_SAFE(counts->groups, group, next)
    {
        DL_DELETE(counts->groups, group);
        group_leave(counts, group);
    }
    counts->count = 0;
}

bool counts_sweep(struct counts *counts)
{
    const struct timespec now = clock_now();
    await_leaving(counts, &now);
    return counts->groups || counts->leaving;
}

void counts_done(struct counts *counts)
{
    counts_release(counts);
    await_leaving(counts, NULL);
    free(counts->list);
    *counts = (struct counts){.groups = NULL};
}

/* ---- sites that come later --------------------------------------------------------------- */

/* Asks for those sites of GROUP's probes that it does not watch. Returns how many there are. */
static ssize_t ask_for_sites(struct count_group *group, struct probe_target *target,
                             struct probe_error *error)
{
    size_t count = 0;
    size_t *indices = calloc(group_size(group) + 1, sizeof(*indices));
    if (!indices)
        return -ENOMEM;
    for (size_t i = 0; i < group_size(group); i++) {
        ssize_t index = probe_target_find(target, group->probes[i].name);
        if (index >= 0)
            indices[count++] = (size_t)index;
    }
    ssize_t added = probe_watch_add(group->watch, target, indices, count, error);
    free(indices);
    if (added >= 0)
        group->generation = probe_target_generation(target);
    return added;
}

void counts_join(struct counts *counts, struct probe_target *target)
{
    struct probe_error unused;
    struct count_group *group = NULL;
    DL_FOREACH(counts->groups, group)
    {
        int status = probe_watch_settle(group->watch, 0, &unused);
        if (status == -EINPROGRESS)
            continue;
        if (status < 0 || probe_watch_lacks(group->watch) ||
            group->generation != probe_target_generation(target))
            ask_for_sites(group, target, &unused);
    }
}

/* The same for a group that is counted anew: until all its sites are. */
static int complete(struct count_group *group, struct probe_target *target,
                    const struct timespec *deadline, struct probe_error *error)
{
    pid_t pid = probe_target_pid(target);
    /* What failed of an earlier request is asked for again. */
    if (settle(group, deadline, pid, error) == -ETIMEDOUT)
        return -ETIMEDOUT;
    error->text[0] = '\0';
    ssize_t added = ask_for_sites(group, target, error);
    return added <= 0 ? (int)added : settle(group, deadline, pid, error);
}

/* ---- beginning --------------------------------------------------------------------------- */

/*
 * Finds those that are CHOSEN and not counted yet, and marks the groups of those that are. Returns
 * how many are new.
 */
static size_t find_new(const struct counts *counts, const struct probe_target *target,
                       const bool *chosen, size_t *indices)
{
    size_t found = 0;
    struct count_group *group = NULL;
    DL_FOREACH(counts->groups, group)
    {
        group->is_changing = false;
    }
    for (size_t i = 0; i < probe_target_count(target); i++) {
        struct counted *counted =
            chosen[i] ? find_counted(counts, probe_target_name(target, i)) : NULL;
        if (counted)
            counted->group->is_changing = true;
        else if (chosen[i])
            indices[found++] = i;
    }
    return found;
}

static int complete_changing(const struct counts *counts, struct probe_target *target,
                             const struct timespec *deadline, struct probe_error *error)
{
    int status = 0;
    struct count_group *group = NULL;
    DL_FOREACH(counts->groups, group)
    {
        if (status == 0 && group->is_changing)
            status = complete(group, target, deadline, error);
    }
    return status;
}

static void begin_anew(const struct counts *counts, const struct probe_target *target,
                       const bool *chosen)
{
    for (size_t i = 0; i < counts->count; i++) {
        struct counted *counted = counts->list[i];
        ssize_t index = probe_target_find(target, counted->name);
        if (index < 0 || !chosen[index])
            continue;
        counted->before = 0;
        counted->base = watched(counted);
    }
}

int counts_begin(struct counts *counts, struct probe_target *target, const bool *chosen,
                 struct counts_ask *ask, struct probe_error *error)
{
    struct count_group *group = NULL;
    size_t *indices = calloc(probe_target_count(target) + 1, sizeof(*indices));
    if (!indices)
        return -ENOMEM;
    size_t count = find_new(counts, target, chosen, indices);
    int status = ARRAY_RESERVE(counts->list, counts->room, counts->count + count);
    if (status == 0)
        status = complete_changing(counts, target, &ask->deadline, error);
    if (status == 0)
        status = group_new(target, indices, count, ask, &group, error);
    free(indices);
    if (status < 0)
        return status;
    begin_anew(counts, target, chosen);
    if (group)
        DL_APPEND(counts->groups, group);
    list_all(counts);
    return 0;
}

/* ---- ending ------------------------------------------------------------------------------ */

/* OLD goes on as NEXT, which counts already: from a moment at which both stood still. */
static void hand_over(const struct counted *old, struct counted *next)
{
    uint64_t count = 0;
    uint64_t base = 0;
    for (int tries = 0; tries < STILL_TRIES; tries++) {
        base = watched(next);
        count = count_of(old);
        if (watched(next) == base && count_of(old) == count)
            break;
    }
    next->before = count;
    next->base = base;
}

/* Is COUNTED to end? It is, too, where TARGET has no such probe any more. */
static bool is_ending(const struct counted *counted, const struct probe_target *target,
                      const bool *chosen)
{
    ssize_t index = probe_target_find(target, counted->name);
    return index < 0 || chosen[index];
}

/* Marks the groups that have what is to end, and finds what else they have. Returns how many. */
static size_t find_rest(const struct counts *counts, const struct probe_target *target,
                        const bool *chosen, size_t *indices)
{
    size_t found = 0;
    struct count_group *group = NULL;
    DL_FOREACH(counts->groups, group)
    {
        group->is_changing = false;
        for (size_t i = 0; i < group_size(group) && !group->is_changing; i++)
            group->is_changing = is_ending(&group->probes[i], target, chosen);
    }
    for (size_t i = 0; i < counts->count; i++) {
        const struct counted *counted = counts->list[i];
        if (counted->group->is_changing && !is_ending(counted, target, chosen))
            indices[found++] = (size_t)probe_target_find(target, counted->name);
    }
    return found;
}

/* The groups that are marked leave; NEXT, if any, counts what is to go on of them. */
static void replace_changing(struct counts *counts, struct count_group *next)
{
    struct count_group *group = NULL;
    struct count_group *following = NULL;
    for (size_t i = 0; next && i < group_size(next); i++)
        hand_over(find_counted(counts, next->probes[i].name), &next->probes[i]);
    DL_FOREACH_SAFE(counts->groups, group, following)
    {
        if (!group->is_changing)
            continue;
        DL_DELETE(counts->groups, group);
        group_leave(counts, group);
    }
    if (next)
        DL_APPEND(counts->groups, next);
    list_all(counts);
}

int counts_end(struct counts *counts, struct probe_target *target, const bool *chosen,
               struct counts_ask *ask, struct probe_error *error)
{
    struct count_group *next = NULL;
    size_t *indices = calloc(counts->count + 1, sizeof(*indices));
    if (!indices)
        return -ENOMEM;
    size_t count = find_rest(counts, target, chosen, indices);
    int status = group_new(target, indices, count, ask, &next, error);
    free(indices);
    if (status < 0)
        return status;
    replace_changing(counts, next);
    /* What takes longer is freed later. */
    await_leaving(counts, &ask->deadline);
    return 0;
}
