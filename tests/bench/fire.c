/* SPDX-License-Identifier: MIT */
/*
 * fire COUNT RATE
 *
 * Passes probes when told to, and says what that took. It reads a byte at a time:
 *     n   COUNT times bench:two, whose arguments are two numbers
 *     s   COUNT times bench:text, whose arguments are a number and a string of 64 bytes
 *     r   COUNT times bench:two, RATE a second at most
 * and answers each with a line: nanoseconds of CPU time, and of time.
 */
#define _SDT_HAS_SEMAPHORES 1 /* NOLINT: sys/sdt.h's own name */
#include <sys/sdt.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { NS = 1000000000, BATCH = 500 };

unsigned short bench_two_semaphore __attribute__((section(".probes")));
unsigned short bench_text_semaphore __attribute__((section(".probes")));

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * (int64_t)NS + now.tv_nsec;
}

static void wait_until(int64_t end)
{
    const struct timespec time = {.tv_sec = end / NS, .tv_nsec = end % NS};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* The macros of sys/sdt.h make it complex.
 * NOLINTNEXTLINE(readability-function-cognitive-complexity) */
static void fire(char what, long count, long rate)
{
    static const char text[] = "select name, value from settings where name = 'some name'; -- 64";
    int64_t start = read_clock(CLOCK_MONOTONIC);
    for (long i = 0; i < count; i++) {
        if (what == 's')
            STAP_PROBE2(bench, text, (int)i, text);
        else
            STAP_PROBE2(bench, two, (int)i, (int)count);
        if (what == 'r' && i % BATCH == 0)
            wait_until(start + i * NS / rate);
    }
}

int main(int argc, char **argv)
{
    char what = 0;
    if (argc != 3)
        return 2;
    printf("pid %d\n", getpid());
    fflush(stdout);
    while (read(STDIN_FILENO, &what, 1) == 1) {
        int64_t cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);
        int64_t time = read_clock(CLOCK_MONOTONIC);
        fire(what, strtol(argv[1], NULL, 10), strtol(argv[2], NULL, 10));
        printf("%lld %lld\n", (long long)(read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu),
               (long long)(read_clock(CLOCK_MONOTONIC) - time));
        fflush(stdout);
    }
    return 0;
}
