/* SPDX-License-Identifier: MIT */
/*
 * Calls whose answer nobody waits for any more. One thread takes the answers as they come, without
 * ever waiting for one of them, and gives up those that do not come in time.
 */
#ifndef PROBEFS_LATE_H
#define PROBEFS_LATE_H

#include "workers/channel.h"

struct late_call {
    struct call *call;
    int channel;
    struct channel_answer answer; /* what has come of it */
    struct timespec deadline;
    /* Called once, by that thread, with 0 or the errors of channel_call(). It may not wait. */
    void (*done)(struct late_call *late_call, int status);
    struct late_call *prev, *next;
};

struct late_calls;

/* Errors: ENOMEM, EMFILE, EAGAIN. */
int late_calls_new(struct late_calls **late_calls);
/* Those that are open end with EPIPE. */
void late_calls_free(struct late_calls *late_calls);

/* Leaves LATE_CALL to the thread. Errors: ENOMEM, ENOSPC; then it stays the caller's. */
int late_calls_add(struct late_calls *late_calls, struct late_call *late_call);

#endif
