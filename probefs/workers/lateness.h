/* SPDX-License-Identifier: MIT */
/*
 * Why a worker has not answered in time.
 *
 * What hangs, sleeps. A worker that is ready to run at the end of its time has nothing in the way
 * but other processes, or has too much to do; how much processor time it got tells these apart.
 * Reading that of a worker cannot wait, as it can of other processes: a worker never calls exec.
 */
#ifndef PROBEFS_LATENESS_H
#define PROBEFS_LATENESS_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum lateness {
    LATE_STUCK,   /* what it waits for does not come */
    LATE_STOPPED, /* somebody has stopped it: its user may, as they may kill it */
    LATE_STARVED, /* it was ready to run, and got less than half of a processor */
    LATE_WORKING, /* it was at work all the time */
};

/* What a process with this clock of processor time has used until now, in nanoseconds; 0: none. */
int64_t lateness_used(clockid_t clock);

/* Of process PID, which had WAIT nanoseconds to answer, and used USED of processor time. */
enum lateness lateness_judge(pid_t pid, int64_t wait, int64_t used);

#endif
