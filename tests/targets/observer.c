/* SPDX-License-Identifier: MIT */
/*
 * observer
 *
 * Has probes watched_00 to watched_31 and a probe `epoch`, and a thread that looks at all of their
 * counters and sites, without an end. One update sets epoch to N, and all others to on where N is
 * odd and to off where it is even. A look between two equal epochs that finds another state has
 * seen a half of an update. At SIGUSR1:
 *
 *     looks N torn N epoch N
 *
 * (A look in the middle of which the epoch changes counts for nothing: the thread may have been
 * stopped there.)
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>

#define EACH(use)                                                                                  \
    use(00) use(01) use(02) use(03) use(04) use(05) use(06) use(07) use(08) use(09) use(10)        \
        use(11) use(12) use(13) use(14) use(15) use(16) use(17) use(18) use(19) use(20) use(21)    \
            use(22) use(23) use(24) use(25) use(26) use(27) use(28) use(29) use(30) use(31)

/* The switch byte of a site as a symbol: it is the byte that was just assembled. */
#define WATCHED_SITE(n)                                                                            \
    PROBE_SITE_AS(watched_##n, PROBE_BYTE_OFF "\n\t.set switch_" #n ", . - 1", "", );
#define DEFINE(n) PROBE_DEFINE(watched_##n);
#define DECLARE(n)                                                                                 \
    extern const volatile uint8_t switch_##n __attribute__((visibility("hidden")));                \
    extern const volatile uint16_t caml_probes_semaphore_watched_##n[2]                            \
        __attribute__((visibility("hidden")));
#define COUNTER(n) &caml_probes_semaphore_watched_##n[1],
#define SWITCH(n)  &switch_##n,

PROBE_DEFINE(epoch);
EACH(DEFINE)
EACH(DECLARE)
extern const volatile uint16_t caml_probes_semaphore_epoch[2] __attribute__((visibility("hidden")));

static const volatile uint16_t *const counters[] = {EACH(COUNTER)};
static const volatile uint8_t *const switches[] = {EACH(SWITCH)};

enum { COUNT = sizeof(counters) / sizeof(*counters) };

static unsigned long looks, torn;

void probe_hit(const char *name)
{
    (void)name;
}

static __attribute__((noinline)) void pass(void)
{
    PROBE_SITE(epoch);
    EACH(WATCHED_SITE)
}

static void look(void)
{
    uint16_t before = caml_probes_semaphore_epoch[1];
    unsigned int wrong = 0;

    for (int i = 0; i < COUNT; i++)
        wrong +=
            *counters[i] != before % 2 || *switches[i] != (before % 2 ? OPCODE_ON : OPCODE_OFF);
    if (caml_probes_semaphore_epoch[1] != before)
        return;
    __atomic_store_n(&looks, looks + 1, __ATOMIC_RELAXED);
    if (wrong)
        __atomic_store_n(&torn, torn + 1, __ATOMIC_RELAXED);
}

static void *observe(void *unused)
{
    (void)unused;
    for (;;)
        look();
    return NULL;
}

int main(void)
{
    struct pace pace = PACE_DEFAULT;
    pthread_t thread;

    pace_begin();
    if (pthread_create(&thread, NULL, observe, NULL) != 0)
        return 1;
    for (;;) {
        pass();
        if (pace_wait(&pace) == SIGUSR1)
            printf("looks %lu torn %lu epoch %u\n", __atomic_load_n(&looks, __ATOMIC_RELAXED),
                   __atomic_load_n(&torn, __ATOMIC_RELAXED), caml_probes_semaphore_epoch[1]);
    }
}
