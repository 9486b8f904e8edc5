/* SPDX-License-Identifier: MIT */
/* Children that the process which makes them hears nothing of. */
#ifndef ENGINE_CHILD_H
#define ENGINE_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * As fork(), where the child's end sends EXIT_SIGNAL, or none where that is 0; such a child is only
 * seen by a wait with __WALL. In the child every signal is blocked, and only what is safe in a
 * signal handler may be called, as other threads' locks stay held. MASK is the caller's.
 */
pid_t child_start(int exit_signal, sigset_t *mask);

/* In the child, just before exec: no handlers of the parent's, and its signal mask. */
void child_restore_signals(const sigset_t *mask);

/*
 * A child that calls exec sends SIGCHLD at its end, whatever it was started with. Between these
 * two, that is held back from the calling thread, and then taken away unless it may be another
 * child's.
 */
struct child_quiet {
    sigset_t mask;
    bool pending; /* from before */
};
void child_quiet_begin(struct child_quiet *quiet);
void child_quiet_end(const struct child_quiet *quiet);

/* Waits for the end of a child. */
void child_reap(pid_t pid);

#endif
