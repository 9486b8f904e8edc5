/* SPDX-License-Identifier: MIT */
/*
 * mixed [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * Units of several compilers in one executable, each in its own layout (see mixed-unit.c):
 *
 *     tick          ocaml: two units with own counters at +0, two that share one at +2
 *     only_NAME     one in each layout
 *     skew          ocaml_1: sites on and off, semaphore off (X from the start)
 */
#include "mixed.h"
#include "pace.h"

#include <stdio.h>

static struct pace pace = PACE_DEFAULT;

__attribute__((visibility("hidden"))) void probe_hit(const char *name);

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

int main(int argc, char **argv)
{
    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        mixed_run_ocaml_a();
        mixed_run_ocaml_b();
        mixed_run_plus2_a();
        mixed_run_plus2_b();
        mixed_run_dot_1();
        mixed_run_1();
        mixed_run_2();
        pace_wait(&pace);
    }
    return 0;
}
