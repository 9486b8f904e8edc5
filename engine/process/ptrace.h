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
 * Becomes the tracer of thread TID, which runs on: no stop, no signal. Only ptrace_interrupt()
 * stops it and, with AT_EXEC, each successful exec. Errors: ESRCH it has gone; EPERM it is traced
 * already, or may not be traced.
 */
int ptrace_seize(pid_t tid, bool at_exec);

/*
 * From here on a stopped thread, which was seized with AT_EXEC, also stops after it started a
 * thread, and with PROCESSES after any fork. What it starts is traced as it is itself, and begins
 * with a stop.
 */
int ptrace_follow(pid_t tid, bool processes);

/* Asks the thread to stop, before it runs user code again. */
int ptrace_interrupt(pid_t tid);

/* What happened to a traced thread. */
struct ptrace_event {
    bool ended;   /* it has exited */
    bool exec;    /* it stopped after an exec */
    bool paused;  /* it stopped for its tracer alone: it is new, or was interrupted or continued */
    bool grouped; /* its whole process is stopped (SIGSTOP and the like) */
    int signal;   /* the signal that was about to be delivered, to be handed back; or 0 */
};

/*
 * Returns the thread that something happened to, TID or with -1 any that the caller traces; 0 if
 * nothing has (without WAIT). Errors: ECHILD nothing is traced.
 */
pid_t ptrace_wait(pid_t tid, bool wait, struct ptrace_event *event);

/* Lets a stopped thread run on, delivering SIGNAL unless it is 0. The second ends the tracing. */
int ptrace_continue(pid_t tid, int signal);
int ptrace_detach(pid_t tid, int signal);

/* Leaves a thread whose process is stopped as it is, until SIGCONT continues the process. */
int ptrace_listen(pid_t tid);

/* Read and write 8 bytes of a stopped thread's memory, read-only code included. */
int ptrace_peek(pid_t tid, uint64_t address, uint64_t *word);
int ptrace_poke(pid_t tid, uint64_t address, uint64_t word);

/* Writes LENGTH bytes that lie in one aligned word, with what is beside them as it is. */
int ptrace_poke_bytes(pid_t tid, uint64_t address, const void *bytes, size_t length);

/* The address at which a stopped thread will go on. */
int ptrace_get_counter(pid_t tid, uint64_t *address);
int ptrace_set_counter(pid_t tid, uint64_t address);

#endif
