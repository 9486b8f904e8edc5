/* SPDX-License-Identifier: MIT */
/*
 * A worker: a process with the identity of one user, in which that user's processes are looked
 * into. It serves the channels it is sent, and ends with its server.
 */
#ifndef PROBEFS_WORKER_H
#define PROBEFS_WORKER_H

#include "workers/start.h"

/* main() of a worker: ARGV is as worker_spawn() made it. Returns an exit status. */
int worker_main(int argc, char **argv);

#endif
