/* SPDX-License-Identifier: MIT */
/* An open file as its contents see it: which target, which probe, and what was written before. */
#ifndef PROBEFS_NODE_FILE_H
#define PROBEFS_NODE_FILE_H

#include "nodes/holds.h"
#include "common/text.h"

/* The end of a write that did not end its line; see node-control.c. */
struct cut_line {
    char *text;
    size_t length;
    uint64_t owner; /* who wrote it: as flushes name their caller */
};

struct service_file {
    struct probe_target *target; /* locked and attached; looked at, for reading */
    const char *probe;           /* its name, or NULL where the file belongs to the process */
    struct holds *holds;         /* of the target */
    struct hold **hold;          /* where this open file keeps its hold, if it is one */
    struct cut_line *cut;        /* where it keeps its cut line */
    uint64_t owner;              /* of this write or flush */
    /* Gets the names of probes whose references were forgotten, each ended by a NUL, if not NULL */
    struct text *resets;
    const char *saved; /* at open: a hold that is taken over, or NULL */
    size_t saved_length;
};

/*
 * The index of the file's probe in its target, or -ENOENT where it went away with its library.
 */
ssize_t service_file_probe(const struct service_file *file, struct probe_error *error);

/* Adds to UPDATE, with DATA's values, what the file is about. */
typedef int service_file_fill(const struct service_file *file, struct probe_update *update,
                              const void *data, struct probe_error *error);

/*
 * Makes one update: FILL adds the probes to it, as the last look found them (and is called again
 * where objects came or went since). Holds of probes that the update switched off or set lose their
 * claims. Errors: those of FILL and of an update.
 */
int service_file_update(struct service_file *file, service_file_fill *fill, const void *data,
                        struct probe_error *error);

#endif
