/* SPDX-License-Identifier: MIT */
#include "workers/lateness.h"

#include "shared/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* States of threads, as bits. */
enum { THREAD_STOPPED = 1, THREAD_SLEEPS_DEEPLY = 2, THREAD_RUNS = 4 };

int64_t lateness_used(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) < 0)
        return 0;
    return (int64_t)time.tv_sec * CLOCK_SECOND + time.tv_nsec;
}

static unsigned int read_state(int tasks, const char *tid)
{
    char path[32];
    char text[256];
    snprintf(path, sizeof(path), "%.10s/status", tid);
    int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char *state = strstr(text, "\nState:\t");
    switch (state ? state[strlen("\nState:\t")] : '?') {
    case 'T':
    case 't': /* by a debugger */
        return THREAD_STOPPED;
    case 'D':
        return THREAD_SLEEPS_DEEPLY;
    case 'R':
        return THREAD_RUNS;
    default:
        return 0;
    }
}

/* In which states its threads are. */
static unsigned int read_states(pid_t pid)
{
    char path[32];
    unsigned int states = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return 0;
    for (const struct dirent *task; (task = readdir(tasks));)
        states |= task->d_name[0] == '.' ? 0 : read_state(dirfd(tasks), task->d_name);
    closedir(tasks);
    return states;
}

enum lateness lateness_judge(pid_t pid, int64_t wait, int64_t used)
{
    unsigned int states = read_states(pid);
    if (states & THREAD_SLEEPS_DEEPLY) /* what stops the others does not reach it */
        return LATE_STUCK;
    if (states & THREAD_STOPPED)
        return LATE_STOPPED;
    if (!(states & THREAD_RUNS))
        return LATE_STUCK;
    return used < wait / 2 ? LATE_STARVED : LATE_WORKING;
}
