/* SPDX-License-Identifier: MIT */
/*
 * tracer PID MICROSECONDS
 *
 * Traces the main thread of a process as debuggers do, keeps it stopped for a while and lets it go.
 * Ends with status 1 where somebody else traces it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    pid_t pid = 0;
    int status = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: tracer PID MICROSECONDS\n");
        return 2;
    }
    pid = (pid_t)strtol(argv[1], NULL, 10);
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ||
        ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, &status, __WALL) != pid) {
        fprintf(stderr, "tracer: cannot stop process %d: %s\n", pid, strerror(errno));
        return 1;
    }
    unsigned long pause_us = strtoul(argv[2], NULL, 10);
    const struct timespec pause = {.tv_sec = (time_t)(pause_us / 1000000),
                                   .tv_nsec = (long)(pause_us % 1000000) * 1000};
    nanosleep(&pause, NULL);
    return ptrace(PTRACE_DETACH, pid, NULL, NULL) < 0;
}
