/* SPDX-License-Identifier: MIT */
/* The helper of a start: the process that traces another until its probes are on. */
#ifndef ENGINE_HELPER_H
#define ENGINE_HELPER_H

#include "start/program.h"
#include "start/switching.h"
#include "start/trace.h"

/* The exit status of a program whose probes could not be switched on. */
enum { STATUS_NOT_STARTED = 126 };

struct launch {
    const struct probe_program *program;
    struct switching switching;
    struct trace trace; /* if the options ask for one */
    pid_t pid;          /* the process that becomes the program */
    pid_t tid;          /* its thread that calls exec */
    int socket;         /* to the other side */
    int helper;         /* in the process: a pidfd of the helper */
};

/* Does the helper's work; does not return. */
void helper_run(struct launch *launch) __attribute__((noreturn));

enum helper_verdict {
    /* Its probes are on, it was ended, or it has gone. No more is to do but to print a trace. */
    HELPER_DONE,
    HELPER_GONE,     /* it has ended */
    HELPER_NO_MATCH, /* it is held at its entry point, and has none of the probes */
    HELPER_REPLACED, /* it is held after another exec */
    HELPER_UNKNOWN,  /* it is held, and cannot be looked into */
};

/*
 * Switches the probes of PID, which stopped right after its exec, and lets go of it. Without FOLLOW
 * that is all, and the verdict is HELPER_DONE or HELPER_GONE.
 */
enum helper_verdict helper_switch(struct launch *launch, pid_t pid, bool follow,
                                  struct probe_error *error);

#endif
