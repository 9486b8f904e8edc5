/* SPDX-License-Identifier: MIT */
/*
 * threads [-c] [-e] [-i MILLISECONDS] N
 *
 * N threads pass two sites as fast as they can (or with -i, a round each so many milliseconds)
 * and count what came of each pass: a hit (the handler ran once), a miss (it did not run), or
 * wrong (it ran more often, or as another probe). SIGUSR1 prints the totals, SIGTERM prints them
 * and ends the program, SIGUSR2 ends the main thread:
 *
 *     totals threads=4 passes=N hits=N misses=N wrong=N gc_start=N gc_stop=N
 *
 *     -c  threads are created and ended all the time: each lives for a few rounds
 *     -e  the main thread ends once the others run
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SHORT_LIFE = 200 }; /* rounds, with -c */

PROBE_DEFINE(gc_start);
PROBE_DEFINE(gc_stop);

struct tally {
    unsigned long hits;
    unsigned long misses;
};

/*
 * Written by the one thread that has this place now, read by the reporter; hence relaxed atomics.
 * A thread that ends (-c) hands its place on to the one it creates.
 */
struct place {
    struct tally gc_start;
    struct tally gc_stop;
    unsigned long wrong;
} __attribute__((aligned(64)));

static struct place *places;
static int n_places;
static int short_lived;
static struct pace pace = {.interval_ms = 0};

/*
 * What the handler saw since the thread's last look. Volatile, as the compiler sees no call
 * where a site is.
 */
static __thread volatile unsigned int start_hits;
static __thread volatile unsigned int stop_hits;

void probe_hit(const char *name)
{
    if (strcmp(name, "gc_start") == 0)
        start_hits++;
    else
        stop_hits++;
}

static void add(unsigned long *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static unsigned long get(const unsigned long *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void judge(struct place *place, struct tally *tally, unsigned int seen, unsigned int other)
{
    if (seen > 1 || other)
        add(&place->wrong);
    else
        add(seen ? &tally->hits : &tally->misses);
    start_hits = 0;
    stop_hits = 0;
}

static __attribute__((noinline)) void pass_start(void)
{
    PROBE_SITE(gc_start);
}

static __attribute__((noinline)) void pass_stop(void)
{
    PROBE_SITE(gc_stop);
}

static void run_round(struct place *place)
{
    struct timespec interval = {
        .tv_sec = pace.interval_ms / 1000,
        .tv_nsec = pace.interval_ms % 1000 * 1000000,
    };

    pass_start();
    judge(place, &place->gc_start, start_hits, stop_hits);
    pass_stop();
    judge(place, &place->gc_stop, stop_hits, start_hits);
    if (pace.interval_ms)
        nanosleep(&interval, NULL);
}

static void start_thread(void *(*run)(void *), void *argument);

static void *run_thread(void *argument)
{
    struct place *place = argument;

    for (long i = 0; !short_lived || i < SHORT_LIFE; i++)
        run_round(place);
    start_thread(run_thread, place);
    return NULL;
}

static void start_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;

    /* The system is slow to count ended threads as gone: try until there is room. */
    while (pthread_create(&thread, NULL, run, argument) != 0)
        usleep(1000);
    pthread_detach(thread);
}

static void print_totals(void)
{
    struct place sum = {.wrong = 0};
    unsigned long hits, misses;

    for (int i = 0; i < n_places; i++) {
        sum.gc_start.hits += get(&places[i].gc_start.hits);
        sum.gc_start.misses += get(&places[i].gc_start.misses);
        sum.gc_stop.hits += get(&places[i].gc_stop.hits);
        sum.gc_stop.misses += get(&places[i].gc_stop.misses);
        sum.wrong += get(&places[i].wrong);
    }
    hits = sum.gc_start.hits + sum.gc_stop.hits;
    misses = sum.gc_start.misses + sum.gc_stop.misses;
    printf("totals threads=%d passes=%lu hits=%lu misses=%lu wrong=%lu gc_start=%lu gc_stop=%lu\n",
           n_places, hits + misses + sum.wrong, hits, misses, sum.wrong, sum.gc_start.hits,
           sum.gc_stop.hits);
}

/* In a thread of its own, as the main thread may be gone. All others have these blocked. */
static void *report(void *argument)
{
    const sigset_t *set = argument;
    int signal;

    for (;;) {
        if (sigwait(set, &signal) != 0)
            continue;
        print_totals();
        if (signal == SIGTERM)
            exit(0);
    }
    return NULL;
}

static void start_all(const sigset_t *main_end)
{
    /* Static: the reporter uses it after the main thread has ended. */
    static sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigprocmask(SIG_BLOCK, main_end, NULL);
    start_thread(report, &set);
    for (int i = 0; i < n_places; i++)
        start_thread(run_thread, &places[i]);
}

int main(int argc, char **argv)
{
    int main_ends = 0;
    int option, signal;
    sigset_t main_end;

    while ((option = pace_getopt(&pace, argc, argv, "ce")) != -1) {
        short_lived |= option == 'c';
        main_ends |= option == 'e';
    }
    n_places = optind < argc ? atoi(argv[optind]) : 0;
    if (n_places <= 0) {
        fprintf(stderr, "usage: threads [-c] [-e] [-i MS] N\n");
        return 2;
    }
    places = aligned_alloc(64, (size_t)n_places * sizeof(*places));
    if (!places)
        return 1;
    memset(places, 0, (size_t)n_places * sizeof(*places));
    pace_begin();
    sigemptyset(&main_end);
    sigaddset(&main_end, SIGUSR2);
    start_all(&main_end);
    while (!main_ends && sigwait(&main_end, &signal) != 0)
        ;
    pthread_exit(NULL);
}
