/* SPDX-License-Identifier: MIT */
/*
 * The C half of the programs that many.py and names.py generate. Prints its pid and sleeps; at
 * SIGUSR1 it passes all sites once and prints `hits N`, how many of them were on.
 */
#include "pace.h"

#include <signal.h>
#include <stdio.h>

/* Generated. */
extern unsigned long site_hits;
void run_sites(void);

int main(int argc, char **argv)
{
    struct pace pace = {.interval_ms = 3600 * 1000};

    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        if (pace_wait(&pace) != SIGUSR1)
            continue;
        site_hits = 0;
        run_sites();
        printf("hits %lu\n", site_hits);
    }
    return 0;
}
