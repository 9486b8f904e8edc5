/* SPDX-License-Identifier: MIT */
/*
 * paused THREADS: how long it was kept from running.
 *
 * One thread looks at the clock all the time; the others, THREADS in all with the main one, sleep.
 * A single thread does all of it. For each byte on standard input it prints the longest time
 * between two looks since the last.
 */
#include "ocaml-probes.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 64 << 10 };

PROBE_DEFINE(paused);

static atomic_llong longest;
static atomic_ulong looks;

void probe_hit(const char *name)
{
    (void)name;
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Returns when that was. */
static long long look_once(long long last)
{
    long long next = now();
    if (next - last > atomic_load_explicit(&longest, memory_order_relaxed))
        atomic_store(&longest, next - last);
    atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed);
    return next;
}

static void *look(void *data)
{
    (void)data;
    for (long long last = now();;)
        last = look_once(last);
    return NULL;
}

static void answer(long long pause)
{
    printf("%lld\n", pause);
    fflush(stdout);
}

/* Until standard input ends. */
static void look_and_answer(void)
{
    char byte = 0;
    ssize_t got = -1;
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    for (long long last = now(); got != 0; last = look_once(last)) {
        got = read(STDIN_FILENO, &byte, 1);
        if (got != 1)
            continue;
        answer(atomic_exchange(&longest, 0));
        last = now();
    }
}

/* A pause that is not over has not been seen yet. */
static long long take_longest(void)
{
    unsigned long seen = atomic_load(&looks);
    while (atomic_load(&looks) < seen + 2)
        sched_yield();
    return atomic_exchange(&longest, 0);
}

static void *sleep_on(void *data)
{
    (void)data;
    for (;;)
        pause();
    return NULL;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 2;
    pthread_attr_t attributes;
    pthread_t thread;
    char byte;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    for (long i = 1; i < count; i++) {
        if (pthread_create(&thread, &attributes, i == 1 ? look : sleep_on, NULL) != 0)
            return 1;
    }
    PROBE_SITE(paused);
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    if (count <= 1)
        look_and_answer();
    while (read(STDIN_FILENO, &byte, 1) == 1)
        answer(take_longest());
    return 0;
}
