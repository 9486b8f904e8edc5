/* SPDX-License-Identifier: MIT */
/*
 * crowd
 *
 * Has a probe, and as many children as it is told to, which do nothing. It reads a number a line,
 * ends the children that it has, makes so many new ones, and says so by the same number.
 */
#define _SDT_HAS_SEMAPHORES 1 /* NOLINT: sys/sdt.h's own name */
#include <sys/sdt.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned short crowd_idle_semaphore __attribute__((section(".probes")));

static pid_t *children;
static long count;

static void end_children(void)
{
    for (long i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    while (count > 0 && wait(NULL) > 0)
        count--;
    free(children);
    children = NULL;
}

static int make_children(long wanted)
{
    children = calloc((size_t)wanted + 1, sizeof(*children));
    if (!children)
        return -1;
    while (count < wanted) {
        pid_t child = fork();
        if (child < 0)
            return -1;
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                pause();
        }
        children[count++] = child;
    }
    return 0;
}

int main(void)
{
    char line[32];
    STAP_PROBE(crowd, idle);
    while (fgets(line, sizeof(line), stdin)) {
        end_children();
        if (make_children(strtol(line, NULL, 10)) < 0) {
            perror("crowd");
            end_children();
            return 1;
        }
        printf("%ld\n", count);
        fflush(stdout);
    }
    end_children();
    return 0;
}
