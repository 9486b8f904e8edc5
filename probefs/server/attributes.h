/* SPDX-License-Identifier: MIT */
/* What stat shows of a node. */
#ifndef PROBEFS_ATTRIBUTES_H
#define PROBEFS_ATTRIBUTES_H

#include "server/server.h"

#include <sys/stat.h>

/* How long the kernel may keep names and attributes, in seconds. */
#define ATTRIBUTES_VALID 1.0

/* Who owns the nodes of a target, asked once for many of them. */
struct ownership {
    uid_t uid;
    gid_t gid;
};

/* Errors: ENOENT the process has gone; ENOMEM. */
int attributes_find_owner(const struct server *server, const struct inode *inode,
                          struct ownership *owner);

/* Fills in what stat shows of the node NUMBER in TARGET (NULL: of the root). */
void attributes_fill(struct server *server, struct target *target, uint64_t number,
                     const struct ownership *owner, struct stat *status);

/*
 * Is INODE's target still there? That its process executes another program now, a worker finds out:
 * until one has, the target's attributes are as good as any. Errors: ESRCH it is not, and something
 * in INODE is open; ESTALE it is not: the kernel is to look again.
 */
int attributes_check_alive(struct server *server, struct inode *inode);

#endif
