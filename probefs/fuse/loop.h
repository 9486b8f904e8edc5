/* SPDX-License-Identifier: MIT */
/* The threads that serve the session. */
#ifndef PROBEFS_LOOP_H
#define PROBEFS_LOOP_H

#include "server/server.h"
#include "common/waiting.h"

/* Blocks the signals that end the server, for all threads to come; loop_serve() waits for them. */
int loop_block_signals(void);

/*
 * Serves the server's session until it is unmounted, or SIGINT, SIGTERM or SIGHUP comes. Unlike
 * FUSE's own loop, requests are received one after the other, and the release of a hold is noted
 * before the next request is received: no look can overtake it. Who waits for an answer stands in
 * the server's table of those. Errors: ENOMEM, EAGAIN, EMFILE it cannot start; ETIMEDOUT a thread
 * hangs in a target: nothing that it uses may be freed.
 */
int loop_serve(struct server *server);

#endif
