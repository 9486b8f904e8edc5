/* SPDX-License-Identifier: MIT */
/* Children whose parent gets no SIGCHLD and finds nothing to wait for. */
#ifndef ENGINE_CHILD_H
#define ENGINE_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * As fork(), but the child's end sends EXIT_SIGNAL (0: none; only a wait with __WALL sees such a
 * child). The child starts with every signal blocked, and may only call what is safe in a signal
 * handler, as the locks of other threads stay held. MASK gets the caller's signal mask. Returns
 * the child's pid, 0 in the child, or a negative errno value.
 */
pid_t child_start(int exit_signal, sigset_t *mask);

/* In the child, just before exec: drops the parent's handlers and restores its signal MASK. */
void child_restore_signals(const sigset_t *mask);

/*
 * Blocks SIGCHLD in the calling thread for a child that is waited for in between: one that calls
 * exec sends SIGCHLD at its end, whatever it was started with. The end takes that signal away,
 * unless it may be another child's.
 */
struct child_quiet {
    sigset_t mask; /* the caller's */
    bool pending;  /* SIGCHLD was pending before */
};
void child_quiet_begin(struct child_quiet *quiet);
void child_quiet_end(const struct child_quiet *quiet);

/* Waits until the child PID has ended. */
void child_reap(pid_t pid);

#endif
