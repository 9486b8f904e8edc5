/* SPDX-License-Identifier: MIT */
#include "deadline.h"

enum { UPDATE_NS = 850000000, SECOND_NS = 1000000000 };

struct timespec deadline_of_update(void)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += UPDATE_NS;
    if (deadline.tv_nsec >= SECOND_NS) {
        deadline.tv_sec++;
        deadline.tv_nsec -= SECOND_NS;
    }
    return deadline;
}

bool deadline_is_past(const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > deadline->tv_sec ||
           (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}
