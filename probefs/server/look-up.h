/* SPDX-License-Identifier: MIT */
/*
 * Names of processes and probes. All callers get the same answers.
 *
 * The kernel serves one look-up of a directory at a time. So in the root, where everybody's names
 * are, nobody may wait for somebody else's process: a look-up is answered by what is known after
 * 20 ms at most, and the worker's answer counts when it comes. What is not known is answered as if
 * the process had probes; its directory, when it is opened, says the truth.
 */
#ifndef PROBEFS_LOOK_UP_H
#define PROBEFS_LOOK_UP_H

#include "server/server.h"

/*
 * The directory NAME in the root, looked up once more by the kernel. SURE is false where nobody
 * has answered yet: it may not be there. Errors: ENOENT; those of workers_get(); ENOMEM.
 */
int look_up_process(struct server *server, const char *name, struct inode **inode, bool *sure);

/*
 * The same for the directory of probe NAME in that of a process. It waits, as whoever opens it
 * would. Errors: ENOENT; ENAMETOOLONG; those of router_call().
 */
int look_up_probe(struct server *server, const struct inode *parent, const char *name,
                  struct inode **inode);

/* Has a silent TARGET of USER asked again, if it is time for that, and waits for nothing. */
void look_up_again(struct server *server, struct target *target, const struct process_user *user);

#endif
