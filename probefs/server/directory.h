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
    bool watch_only; /* of a probe: it has no semaphore */
};

struct directory {
    struct inode *inode;
    struct caller caller;
    bool used; /* has been read, so that a rewind looks anew */
    size_t count;
    /* Of a process: the list of its entries, which all who have it open share. */
    struct shared_bytes *list;
    /* Of others: the entries, and what they point into. */
    struct directory_entry *entries;
    struct listed_process *processes;
    char *names;
    size_t counted; /* so much memory of the caller's budget */
};

/* Opens INODE's directory for CALLER, who must have the right to. Errors: EMFILE, ENOMEM; those of
 * the service. */
int directory_open(struct server *server, struct inode *inode, const struct caller *caller,
                   struct directory **directory, struct probe_error *error);
void directory_close(struct server *server, struct directory *directory);

/* The entry INDEX, which is below the count. */
struct directory_entry directory_entry(const struct directory *directory, size_t index);

/* Fills in the entries anew. */
int directory_fill(struct server *server, struct directory *directory, struct probe_error *error);

#endif
