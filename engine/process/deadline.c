/* SPDX-License-Identifier: MIT */
#include "process/deadline.h"

enum { UPDATE_NS = 850000000, TRY_NS = 100000000, SLACK_NS = 50000000, SECOND_NS = 1000000000 };

static struct timespec later(struct timespec time, long nanoseconds)
{
    time.tv_nsec += nanoseconds;
    if (time.tv_nsec >= SECOND_NS) {
        time.tv_sec++;
        time.tv_nsec -= SECOND_NS;
    }
    return time;
}

static struct timespec later_than_now(long nanoseconds)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return later(now, nanoseconds);
}

struct timespec deadline_of_update(void)
{
    return later_than_now(UPDATE_NS);
}

struct timespec deadline_of_try(void)
{
    return later_than_now(TRY_NS);
}

struct timespec deadline_with_slack(const struct timespec *deadline)
{
    return later(*deadline, SLACK_NS);
}

bool deadline_is_past(const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > deadline->tv_sec ||
           (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}
