/* SPDX-License-Identifier: MIT */
/*
 * execer [-i MILLISECONDS] [-q] PROGRAM [ARGUMENT]...
 * execer -r [-i MILLISECONDS] -n ROUNDS [-q]
 *
 * Goes round with a probe gc_start until SIGUSR1, and then becomes PROGRAM: same pid, another
 * image. SIGUSR2 does so from a thread, which takes the main thread's pid by that. With -r it
 * becomes itself, whenever that many rounds are over.
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

PROBE_DEFINE(gc_start);

static struct pace pace = PACE_DEFAULT;

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

static void *become(void *words)
{
    char **argv = words;

    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int signal = 0;
    bool again = false;

    for (int option; (option = pace_getopt(&pace, argc, argv, "r")) != -1;)
        again |= option == 'r';
    if (again)
        optind = 0;
    else if (optind >= argc) {
        fprintf(stderr, "usage: execer [-i MS] [-q] PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    pace_begin();
    for (; signal == 0 && pace_more(&pace); pace.round++) {
        PROBE_SITE(gc_start);
        signal = pace_wait(&pace);
    }
    pace_end();
    if (signal == SIGUSR2 && pthread_create(&thread, NULL, become, argv + optind) == 0)
        pthread_join(thread, NULL);
    become(argv + optind);
}
