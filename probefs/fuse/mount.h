/* SPDX-License-Identifier: MIT */
/* Mounting: what was there before, and what every mount of ours has. */
#ifndef PROBEFS_MOUNT_H
#define PROBEFS_MOUNT_H

#include "fuse/libfuse.h"
#include "server/server.h"

/*
 * Mounts at MOUNTPOINT, with what ARGS has for FUSE; the table of mounts shows SOURCE. A dead
 * server's mount there makes room. Returns the session, which is SERVER's then, or NULL: a message
 * has been printed.
 */
struct fuse_session *mount_session(struct fuse_args *args, const char *source,
                                   const char *mountpoint, struct server *server);

#endif
