/* SPDX-License-Identifier: MIT */
/*
 * linked [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * A program linked with libplug.so: it has no probe of its own. SIGUSR1 prints `hits N`.
 */
#include "libplug.h"
#include "pace.h"

#include <signal.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct pace pace = PACE_DEFAULT;

    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        plug_run(pace.quiet ? NULL : "plug", pace.round);
        if (pace_wait(&pace) == SIGUSR1)
            printf("hits %lu\n", plug_hits());
    }
    return 0;
}
