/* SPDX-License-Identifier: MIT */
#include "server/sweep.h"

#include "shared/array.h"

#include <stdio.h>
#include <stdlib.h>

/* Fewer targets that have come or ended are not worth a look at all that there are. */
enum { SWEEP_MIN = 32 };

static int compare_pids(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a;
    pid_t y = *(const pid_t *)b;
    return x < y ? -1 : x > y;
}

/* What the kernel was told all names of, and has not forgotten, no sweep changes. */
void sweep_note_processes(struct inodes *inodes, const pid_t *pids, size_t count)
{
    unsigned int missing = 0;
    pthread_mutex_lock(&inodes->lock);
    for (const struct target *target = inodes->targets; target; target = target->hh.next)
        missing +=
            !target->was_stale && !bsearch(&target->pid, pids, count, sizeof(*pids), compare_pids);
    inodes->missing = missing;
    pthread_mutex_unlock(&inodes->lock);
}

static bool is_worth_it(const struct inodes *inodes, unsigned int count)
{
    return count >= SWEEP_MIN && count >= HASH_COUNT(inodes->targets) / 2;
}

bool sweep_is_due(struct inodes *inodes)
{
    pthread_mutex_lock(&inodes->lock);
    bool due = is_worth_it(inodes, inodes->added) || is_worth_it(inodes, inodes->missing);
    pthread_mutex_unlock(&inodes->lock);
    return due;
}

/* Names as they are found; ROOM is for so many. */
struct stale_names {
    struct stale_name *names;
    size_t count, room;
};

static void add_stale(struct stale_names *stale, uint64_t directory, const char *name)
{
    if (ARRAY_RESERVE(stale->names, stale->room, stale->count + 1) < 0)
        return;
    struct stale_name *added = &stale->names[stale->count++];
    added->directory = directory;
    snprintf(added->name, sizeof(added->name), "%s", name);
}

/* The files in the directory of a process, whether the kernel knows them or not. */
static void add_stale_files(struct stale_names *stale, uint64_t directory)
{
    for (unsigned int kind = 0; kind < node_kind_count; kind++) {
        if (node_kinds[kind].place == PLACE_PROCESS && node_kinds[kind].name)
            add_stale(stale, directory, node_kinds[kind].name);
    }
}

/* The streams of INODE: their names are below .trace. */
static void add_stale_streams(const struct inodes *inodes, const struct inode *inode,
                              struct stale_names *stale, const char *pid)
{
    int trace = tree_find(PLACE_ROOT, ".trace");
    uint64_t directory = inodes_directory_number(inodes, inode->target, PLACE_STREAMS);
    if (trace < 0)
        return;
    add_stale(stale, directory, inode->probe ? inode->probe : "trace");
    if (!inode->probe)
        add_stale(stale, inode_number(&inodes->root, (unsigned int)trace), pid);
}

/* What INODE, of a target that has ended, is known by. Called with the lock held. */
static void add_names_of(const struct inodes *inodes, const struct inode *inode,
                         struct stale_names *stale)
{
    char pid[16];
    uint64_t directory = inodes_directory_number(inodes, inode->target, PLACE_PROCESS);
    snprintf(pid, sizeof(pid), "%d", inode->target->pid);
    if (inode->probe && inode->target->was_stale) {
        add_stale(stale, directory, inode->probe);
    } else if (!inode->probe) {
        add_stale(stale, inode_number(&inodes->root, tree_directory(PLACE_ROOT)), pid);
        if (inode->target->was_stale)
            add_stale_files(stale, directory);
    }
    if (inode->target->was_stale)
        add_stale_streams(inodes, inode, stale, pid);
}

static void add_names(struct inodes *inodes, struct stale_names *stale)
{
    pthread_mutex_lock(&inodes->lock);
    for (const struct inode *inode = inodes->table; inode; inode = inode->hh.next) {
        if (inode->target->ended)
            add_names_of(inodes, inode, stale);
    }
    pthread_mutex_unlock(&inodes->lock);
}

void sweep_inodes(struct inodes *inodes, struct stale_name **names, size_t *count)
{
    struct stale_names stale = {.names = NULL};
    struct target **targets = NULL;
    size_t target_count = 0;
    pthread_mutex_lock(&inodes->lock);
    inodes->added = inodes->missing = 0;
    pthread_mutex_unlock(&inodes->lock);
    if (inodes_get_targets(inodes, NULL, &targets, &target_count) == 0) {
        for (size_t i = 0; i < target_count; i++) {
            /* The kernel is asked without the lock: nobody else's names wait for its answers. */
            if (!inodes_target_lives(targets[i]))
                inodes_end_target(inodes, targets[i]);
        }
        inodes_put_targets(inodes, targets, target_count);
        add_names(inodes, &stale);
    }
    *names = stale.names;
    *count = stale.count;
}
