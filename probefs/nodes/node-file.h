/* SPDX-License-Identifier: MIT */
/* An open file as its contents see it: which target, and which probe. */
#ifndef PROBEFS_NODE_FILE_H
#define PROBEFS_NODE_FILE_H

#include "common/text.h"
#include "nodes/holds.h"
#include "nodes/sets.h"

struct counts;
struct counts_ask;

/* Whoever knows what is watched of the target, and by whom. */
struct node_watchers {
    /*
     * An update failed as the kernel counts in the semaphore of one of the probes that are BLOCKED,
     * by their indices: says who watches, if that is known; else ERROR stays as it is.
     */
    void (*explain)(void *data, const bool *blocked, struct probe_error *error);
    /* Were there watchers that have ended, and were still to be detached? They are by now. */
    bool (*await)(void *data);
    void *data;
};

struct node_file {
    struct probe_target *target; /* locked and attached; looked at, for reading */
    const char *probe;           /* its name, or NULL where the file belongs to the process */
    struct holds *holds;         /* of the target */
    struct counts *counts;       /* likewise */
    struct counts_ask *ask;      /* for what counting begins with */
    /* Gets the names of probes whose holds lost their claims, each ended by a NUL, if not NULL. */
    struct text *forgets;
    /* Gets the probes whose counters are set, if not NULL. */
    struct sets *sets;
    const struct node_watchers *watchers; /* NULL: nobody knows */
};

/*
 * The index of the file's probe in its target, or -ENOENT where it went away with its library.
 */
ssize_t node_file_probe(const struct node_file *file, struct probe_error *error);
/* The same where it must have a semaphore: that may have gone with a library, too. */
ssize_t node_file_switch(const struct node_file *file, struct probe_error *error);

/* Adds to UPDATE, with DATA's values, what the file is about. */
typedef int node_file_fill(const struct node_file *file, struct probe_update *update,
                           const void *data, struct probe_error *error);

/*
 * Makes one update: FILL adds the probes to it, as the last look found them (and is called again
 * where objects came or went since). Holds of probes that the update switched off or set lose their
 * claims. Errors: those of FILL and of an update.
 */
int node_file_update(struct node_file *file, node_file_fill *fill, const void *data,
                     struct probe_error *error);

#endif
