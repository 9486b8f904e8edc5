/* SPDX-License-Identifier: MIT */
/* Deadlines: moments on CLOCK_MONOTONIC. Durations are in nanoseconds. */
#ifndef SHARED_CLOCK_H
#define SHARED_CLOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_MILLISECOND INT64_C(1000000)
#define CLOCK_SECOND      INT64_C(1000000000)

static inline struct timespec clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now;
}

/* Seconds, a few milliseconds late: cheap enough to be asked for at every use. */
static inline time_t clock_coarse_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec;
}

/* The moment DURATION (not negative) after TIME. */
static inline struct timespec clock_add(struct timespec time, int64_t duration)
{
    int64_t nanoseconds = time.tv_nsec + duration % CLOCK_SECOND;
    time.tv_sec += (time_t)(duration / CLOCK_SECOND + nanoseconds / CLOCK_SECOND);
    time.tv_nsec = (long)(nanoseconds % CLOCK_SECOND);
    return time;
}

/* The moment DURATION from now. */
static inline struct timespec clock_after(int64_t duration)
{
    return clock_add(clock_now(), duration);
}

/* From START to END; negative where END is the earlier one. */
static inline int64_t clock_between(const struct timespec *start, const struct timespec *end)
{
    return (int64_t)(end->tv_sec - start->tv_sec) * CLOCK_SECOND + (end->tv_nsec - start->tv_nsec);
}

/* How long until DEADLINE; 0 or less where it is past. */
static inline int64_t clock_left(const struct timespec *deadline)
{
    const struct timespec now = clock_now();
    return clock_between(&now, deadline);
}

static inline bool clock_is_past(const struct timespec *deadline)
{
    return clock_left(deadline) <= 0;
}

/* The same for poll(): whole milliseconds, rounded up; -1 (for ever) where DEADLINE is NULL. */
static inline int clock_poll_timeout(const struct timespec *deadline)
{
    int64_t left = deadline ? clock_left(deadline) : 0;
    if (!deadline)
        return -1;
    if (left <= 0)
        return 0;
    int64_t milliseconds = (left + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND;
    return milliseconds < INT_MAX ? (int)milliseconds : INT_MAX;
}

#endif
