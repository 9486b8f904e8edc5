/* SPDX-License-Identifier: MIT */
/*
 * A worker: a process with the identity of one user, in which that user's processes are looked
 * into. It is started by workers.c, serves the channels it is sent, and ends with its server.
 */
#ifndef PROBEFS_WORKER_H
#define PROBEFS_WORKER_H

/* The name that the server starts itself under, to be a worker; shown by ps. */
#define WORKER_NAME "probefs-worker"

/* The descriptors that it starts with: where it gets its channels, and the table of who waits. */
enum { WORKER_CONTROL = 3, WORKER_WAITING = 4 };

/* main() of a worker: ARGV is as workers.c made it. Returns an exit status. */
int worker_main(int argc, char **argv);

#endif
