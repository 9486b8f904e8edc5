/* SPDX-License-Identifier: MIT */
/*
 * The tree, written once: one row for each kind of node. Rows drive lookup, attributes, listing,
 * and, through the service, reading and writing.
 */
#ifndef PROBEFS_TREE_H
#define PROBEFS_TREE_H

#include "nodes/node-file.h"

#include <stdio.h>

/* Which directory a node stands in. A directory's own kind is the first of its place. */
enum place {
    PLACE_ROOT,
    PLACE_PROCESS,
    PLACE_PROBE,
    PLACE_TRACE,   /* .trace, with a directory for each process */
    PLACE_STREAMS, /* one of those, with a stream for each probe; and in the process's own inode */
    PLACE_STREAM,  /* such a stream, in the probe's inode; no directory */
    PLACE_COUNT,
};

enum node_type { NODE_DIRECTORY, NODE_FILE, NODE_LINK, NODE_STREAM };

/* Who keeps what an open file stands for. */
enum node_keeper {
    KEPT_BY_SERVER, /* it lasts as long as the server */
    KEPT_BY_WORKER, /* opened for writing it is a hold: the worker ends it where the server does */
};

struct node_kind {
    const char *name; /* NULL for the directory of a process or probe itself */
    enum place place;
    enum node_type type;
    enum place inside; /* of a directory with a name: what stands in it */
    bool everybody;    /* may be read by all; else by those who may look into the process */
    off_t size;        /* where it is known; 0 for what is made on reading */

    /* Writes the contents, as they are now, to OUT. NULL: not readable. */
    int (*read)(struct node_file *file, FILE *out, struct probe_error *error);
    /* Takes one write() of LENGTH bytes. NULL: not writable. */
    int (*write)(struct node_file *file, const char *text, size_t length,
                 struct probe_error *error);
    enum node_keeper keeper;
    bool needs_semaphore; /* a probe without one, which can only be watched, has no such file */
    bool watches;         /* it watches probes, which not everybody may */
    bool hidden;          /* listings do not have it */
    bool by_lines;        /* a write gets whole lines: the server keeps what is not ended yet */
    bool has_failures;    /* the server adds the target's failures to what is read */
};

/*
 * Before the name of a probe without a semaphore, where names are listed: nothing that stands in a
 * name.
 */
enum { WATCH_ONLY_MARK = '/' };

/* Kinds are told by their index, which is below KIND_MAX (it fits an inode number's low bits). */
enum { KIND_BITS = 5, KIND_MAX = 1 << KIND_BITS };

extern const struct node_kind node_kinds[];
extern const unsigned int node_kind_count;

/* The kind of the directory of PLACE. */
unsigned int tree_directory(enum place place);
/* The kind of the file NAME in PLACE, or -1. */
int tree_find(enum place place, const char *name);
/* What stands in the directory of KIND. */
enum place tree_inside(const struct node_kind *kind);

/* Is KIND, which has a name, shown in listings? */
bool tree_is_listed(const struct node_kind *kind);
/* -o trace=no: nothing that watches is there. To be called before anything is looked up. */
void tree_leave_out_watching(void);

#endif
