/* SPDX-License-Identifier: MIT */
/*
 * racer ROUNDS OTHER [DONE HITS]
 *
 * Two programs in turn, by exec, so with one pid: `racer-old`, which anybody of its user may
 * switch, and `racer-new`, which is installed setuid root. They are linked alike, so that what is
 * right to write in the one would be accepted by the other, but for the probe's name.
 *
 * The old one waits for its probe to be switched on, a random time at most, and becomes OTHER in
 * the very next moment, in which whoever switched it may go on to write. The new one, whose
 * counter has a value that nothing else has, looks for a while whether its memory changes, says
 * `touched` if so, gives up its privilege, and becomes OTHER again.
 *
 * At the end: `done ROUNDS HITS`, the rounds in which the old one was switched on.
 */
#include "ocaml-probes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SECRET = 4242, NEW_NS = 200000, OLD_NS = 6000000 };

#ifdef RACER_NEW
PROBE_DEFINE(race_new);
#define SITE    PROBE_SITE(race_new)
#define COUNTER PROBE_COUNTER(race_new)
#else
PROBE_DEFINE(race_old);
#define SITE    PROBE_SITE(race_old)
#define COUNTER PROBE_COUNTER(race_old)
#endif

/*
 * The site's first byte, the nop; the switch is the next. It begins a page, which in both is
 * the same one.
 */
static __attribute__((aligned(4096), noinline)) const volatile uint8_t *site(void)
{
    const volatile uint8_t *result;

    __asm__ volatile("leaq 990f(%%rip), %0" : "=r"(result));
    SITE;
    return result;
}

void probe_hit(const char *name)
{
    (void)name;
}

static volatile uint16_t *counter(void)
{
    volatile uint16_t *result;

    __asm__("leaq " COUNTER "(%%rip), %0" : "=r"(result));
    return result;
}

static long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

#ifdef RACER_NEW
static bool is_touched(void)
{
    bool touched = *counter() != 0 || site()[1] != OPCODE_OFF;
    long end = now_ns() + NEW_NS;

    *counter() = SECRET;
    while (now_ns() < end)
        touched = touched || *counter() != SECRET || site()[1] != OPCODE_OFF;
    return touched;
}
#else
static bool is_hit(void)
{
    long end = now_ns() + (long)(now_ns() % OLD_NS);

    while (now_ns() < end) {
        if (*counter() != 0 || site()[1] != OPCODE_OFF)
            return true;
        /* Others have work to do on few processors. */
        usleep(50);
    }
    return false;
}
#endif

int main(int argc, char **argv)
{
    char done_text[24], hits_text[24];

    if (argc < 3)
        return 2;
    long rounds = strtol(argv[1], NULL, 10);
    long done = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    long hits = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
#ifdef RACER_NEW
    if (geteuid() != 0 || getuid() == 0)
        printf("not setuid\n");
    if (is_touched())
        printf("touched\n");
    done++;
    if (setresuid(getuid(), getuid(), getuid()) < 0)
        return 1;
#else
    if (argc == 3)
        printf("pid %d\n", getpid());
    hits += is_hit();
#endif
    if (done >= rounds) {
        printf("done %ld %ld\n", done, hits);
        return 0;
    }
    fflush(stdout);
    snprintf(done_text, sizeof(done_text), "%ld", done);
    snprintf(hits_text, sizeof(hits_text), "%ld", hits);
    execl(argv[2], argv[2], argv[1], argv[0], done_text, hits_text, (char *)NULL);
    perror(argv[2]);
    return 1;
}
