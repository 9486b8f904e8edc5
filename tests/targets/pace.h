/* SPDX-License-Identifier: MIT */
/*
 * What all test programs share: their pid as the first line of output, rounds at a steady pace,
 * SIGUSR1 and SIGUSR2 as questions that the main loop answers between two rounds.
 *
 *     while ((option = pace_getopt(&pace, argc, argv, "")) != -1)
 *             ...
 *     pace_begin();
 *     for (; pace_more(&pace); pace.round++) {
 *             ... a round ...
 *             if (pace_wait(&pace) == SIGUSR1)
 *                     ...
 *     }
 */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>

struct pace {
    long interval_ms; /* -i: between two rounds */
    long rounds;      /* -n: 0 is for ever */
    bool quiet;       /* -q: count hits, print none */
    long round;       /* the one that runs now */
};

#define PACE_DEFAULT                                                                               \
    {                                                                                              \
        .interval_ms = 100                                                                         \
    }

/* As getopt, and takes -i, -n and -q itself. more: options of the program's own. */
int pace_getopt(struct pace *pace, int argc, char **argv, const char *more);

/* Prints the pid. From here on output is by lines, and the two signals wait for pace_wait. */
void pace_begin(void);

bool pace_more(const struct pace *pace);

/* Sleeps until the next round: 0, or the signal that ended the sleep. */
int pace_wait(const struct pace *pace);

/* Undoes what pace_begin did to the signals; before exec, which would keep them blocked. */
void pace_end(void);

#endif
