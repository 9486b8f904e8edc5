/* SPDX-License-Identifier: MIT */
/*
 * The calls to ptrace(2) that the engine makes; ptrace.c is the only file that makes any. All but
 * the first are for the thread that seized. They return 0 or a negative errno value.
 */
#ifndef ENGINE_PTRACE_H
#define ENGINE_PTRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Becomes the tracer of thread TID, which runs on: no stop, no signal. Without AT_EXEC nothing but
 * an interruption stops it; with it, it stops behind each successful exec, too. Errors: ESRCH it
 * has gone; EPERM it is traced already, or may not be.
 */
int ptrace_seize(pid_t tid, bool at_exec);

/* Asks it to stop, at the latest before it runs user code again. */
int ptrace_interrupt(pid_t tid);

/* What became of a thread that is traced. */
struct ptrace_event {
    bool ended;   /* it has exited */
    bool exec;    /* it stopped behind an exec */
    bool grouped; /* it stopped, or was stopped, with its process (SIGSTOP and the like) */
    int signal;   /* a signal was about to be delivered, to be handed back; else 0 */
};

/*
 * What happened to TID, or to any thread that the caller traces where TID is -1: the thread, and
 * the event. 0: nothing yet (only without WAIT). Errors: ECHILD nothing is traced.
 */
pid_t ptrace_wait(pid_t tid, bool wait, struct ptrace_event *event);

/* Lets a stopped thread run on, delivering SIGNAL unless it is 0; and stays, or lets go of it. */
int ptrace_continue(pid_t tid, int signal);
int ptrace_detach(pid_t tid, int signal);

/* Leaves a thread that stopped with its process as it is, until that is continued by a signal. */
int ptrace_listen(pid_t tid);

/* Reads, and writes, 8 bytes of a stopped thread's memory, read-only code included. */
int ptrace_peek(pid_t tid, uint64_t address, uint64_t *word);
int ptrace_poke(pid_t tid, uint64_t address, uint64_t word);

/* Where a stopped thread runs on. */
int ptrace_get_counter(pid_t tid, uint64_t *address);
int ptrace_set_counter(pid_t tid, uint64_t address);

#endif
