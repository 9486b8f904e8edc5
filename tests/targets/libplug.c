/* SPDX-License-Identifier: MIT */
/*
 * A library with probes: plug_hit (2 sites), and gc_start as the programs that load it have,
 * with a semaphore of its own. It prints by write(2) alone, as a copy loaded by dlmopen has a
 * C library of its own, whose buffers nobody flushes.
 */
#include "libplug.h"
#include "ocaml-probes.h"

#include <stdio.h>

#define EXPORT   __attribute__((visibility("default")))
#define NOINLINE __attribute__((noinline))

PROBE_DEFINE(plug_hit);
PROBE_DEFINE(gc_start);

/* Volatile, as the compiler sees no call where a site is. */
static const char *volatile run_as;
static volatile long run_round;
static volatile unsigned long hits;

void probe_hit(const char *name)
{
    hits++;
    if (run_as)
        dprintf(1, "%s %s: round %ld\n", run_as, name, run_round);
}

static NOINLINE void pass_once(long number)
{
    PROBE_SITE1(plug_hit, number);
}

EXPORT void plug_run(const char *as, long round)
{
    run_as = as;
    run_round = round;
    PROBE_SITE(gc_start);
    pass_once(round);
    PROBE_SITE(plug_hit);
}

EXPORT unsigned long plug_hits(void)
{
    return hits;
}
