/* SPDX-License-Identifier: MIT */
/*
 * Which threads wait for an answer of the mount right now: written by the server, read by it and
 * by its workers, through shared memory. A thread that waits for us cannot be stopped before it
 * gets its answer, and an update that wants to stop it must know.
 */
#ifndef PROBEFS_WAITING_H
#define PROBEFS_WAITING_H

#include <stdbool.h>
#include <sys/types.h>

struct waiting;

/* A new table, for the server. Errors: ENOMEM, EMFILE, ENFILE. */
int waiting_new(struct waiting **waiting);
/* The same table in a worker, which can only read it, from descriptor FD. Errors: ENOMEM, EINVAL.
 */
int waiting_open(int fd, struct waiting **waiting);
void waiting_free(struct waiting *waiting);

/* A descriptor of the table, for reading. */
int waiting_fd(const struct waiting *waiting);

/* Thread TID (0: nobody) waits, from now until the slot that is returned is given back. */
int waiting_begin(struct waiting *waiting, pid_t tid);
void waiting_end(struct waiting *waiting, int slot);

/* Does TID wait? DATA is the table: for the engine. */
bool waiting_has(void *data, pid_t tid);

#endif
