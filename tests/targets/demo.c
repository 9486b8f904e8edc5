/* SPDX-License-Identifier: MIT */
/*
 * demo [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * A small server with five probes. It goes round for ever, and passes all of its sites in each
 * round; those that are on say so:
 *
 *     pid 1234
 *     boot: round 0           (this one is on from the start)
 *     boot: round 1
 *     gc_start: round 1       (since someone switched gc_start on)
 *
 * With -q it only counts, and answers SIGUSR1 with the counts.
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))
#define INLINE   inline __attribute__((always_inline))

PROBE_DEFINE_ON(boot);
PROBE_DEFINE(gc_start);
PROBE_DEFINE(gc_stop);
PROBE_DEFINE(request);
PROBE_DEFINE(idle);

/* Volatile, as the compiler sees no call where a site is. */
static struct {
    const char *name;
    volatile unsigned long hits;
} counts[] = {{"boot", 0},    {"gc_start", 0}, {"gc_stop", 0},
              {"request", 0}, {"idle", 0},     {"prepared", 0}};

#define N_COUNTS (sizeof(counts) / sizeof(counts[0]))

static struct pace pace = PACE_DEFAULT;

/* Sites that are on end up here. */
void probe_hit(const char *name)
{
    for (size_t i = 0; i < N_COUNTS; i++)
        if (strcmp(counts[i].name, name) == 0)
            counts[i].hits++;
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

static void print_hits(void)
{
    printf("hits");
    for (size_t i = 0; i < N_COUNTS; i++)
        printf(" %s=%lu", counts[i].name, counts[i].hits);
    printf("\n");
}

static NOINLINE void start(void)
{
    PROBE_SITE_ON(boot);
}

static NOINLINE void collect_garbage(void)
{
    PROBE_SITE(gc_start);
    PROBE_SITE(gc_stop);
}

/* Inlined twice, so the probe has a site in each function that calls this one. */
static INLINE void log_request(long number)
{
    PROBE_SITE1(request, number);
}

static NOINLINE void serve_get(long number)
{
    log_request(number);
}

static NOINLINE void serve_put(long number)
{
    log_request(number * 2 + 1);
}

/* Work that is only worth while if someone looks at it: the probe's semaphore says so. */
static NOINLINE void serve_post(long number)
{
    if (PROBE_ENABLED(request))
        probe_hit("prepared");
    PROBE_SITE1(request, number * 3 + 2);
}

static NOINLINE void rest(void)
{
#ifdef LAYOUT_OCAML_2
    /* A probe that is nothing but a semaphore. */
    PROBE_NO_SITE(idle);
    if (PROBE_ENABLED(idle))
        probe_hit("idle");
#else
    PROBE_SITE(idle);
#endif
}

int main(int argc, char **argv)
{
    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        start();
        collect_garbage();
        serve_get(pace.round);
        serve_put(pace.round);
        serve_post(pace.round);
        rest();
        if (pace_wait(&pace) == SIGUSR1)
            print_hits();
    }
    return 0;
}
