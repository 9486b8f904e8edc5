/* SPDX-License-Identifier: MIT */
/*
 * An open directory: its entries as they were when it was opened or, where it is not the root,
 * rewound.
 */
#ifndef PROBEFS_DIRECTORY_H
#define PROBEFS_DIRECTORY_H

#include "server/listing.h"
#include "server/server.h"

/* One entry: a file of the tree's table, a probe, or a process. */
struct directory_entry {
    const char *name;
    int kind; /* of the file; -1 for a directory: */
    const struct listed_process *process;
};

struct directory {
    struct inode *inode;
    struct caller caller;
    bool used; /* has been read, so that a rewind looks anew */
    struct directory_entry *entries;
    size_t count;
    /* What the entries point into. */
    struct listed_process *processes;
    char *names;
};

/* Opens INODE's directory for CALLER, who must have the right to. Errors: those of the service. */
int directory_open(struct server *server, struct inode *inode, const struct caller *caller,
                   struct directory **directory, struct probe_error *error);
void directory_close(struct directory *directory);

/* Fills in the entries anew. */
int directory_fill(struct server *server, struct directory *directory, struct probe_error *error);

#endif
