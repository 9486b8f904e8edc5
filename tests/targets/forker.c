/* SPDX-License-Identifier: MIT */
/*
 * forker [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * Has probes gc_start and gc_stop. At SIGUSR1 it forks; parent and child go on alike:
 *
 *     pid 1234
 *     child 1240
 *     1234 gc_start: round 7
 *     1240 gc_start: round 7
 *     1240 hits 12            (the answer to SIGUSR2)
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

PROBE_DEFINE(gc_start);
PROBE_DEFINE(gc_stop);

static struct pace pace = PACE_DEFAULT;
static volatile unsigned long hits;

void probe_hit(const char *name)
{
    hits++;
    if (!pace.quiet)
        printf("%d %s: round %ld\n", (int)getpid(), name, pace.round);
}

static void have_child(void)
{
    pid_t child = fork();

    if (child < 0)
        perror("fork");
    else if (child > 0)
        printf("child %d\n", (int)child);
}

int main(int argc, char **argv)
{
    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    pace_begin();
    signal(SIGCHLD, SIG_IGN);
    for (; pace_more(&pace); pace.round++) {
        int signal;

        PROBE_SITE(gc_start);
        PROBE_SITE(gc_stop);
        signal = pace_wait(&pace);
        if (signal == SIGUSR1)
            have_child();
        else if (signal == SIGUSR2)
            printf("%d hits %lu\n", (int)getpid(), hits);
    }
    return 0;
}
