/* SPDX-License-Identifier: MIT */
/*
 * undumpable [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * Has a probe gc_start, and does not let its own user trace it, as ssh-agent and gpg-agent do.
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <stdio.h>
#include <sys/prctl.h>

PROBE_DEFINE(gc_start);

static struct pace pace = PACE_DEFAULT;

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

int main(int argc, char **argv)
{
    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return 1;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        PROBE_SITE(gc_start);
        pace_wait(&pace);
    }
    return 0;
}
