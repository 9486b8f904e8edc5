/* SPDX-License-Identifier: MIT */
/*
 * tally [-n THREADS] [-p MICROSECONDS]
 *
 * Threads pass the sites of six probes as fast as they can (or with -p, with a pause after each
 * ROUNDS rounds, to leave some of the machine to others), and account for each pass by two
 * witnesses that know nothing of each other:
 *
 *     compared   the site was executed as the comparison: it found what was put into eax for it
 *     handled    the site was executed as the call: the handler ran in this thread
 *
 * Exactly one of the two, and the handler exactly once and for this probe, is a miss or a hit;
 * anything else is wrong. The handler's own count of all its calls stands beside. SIGTERM ends all
 * threads, prints the sums and ends the program:
 *
 *     pid 1234
 *     totals passes=N hits=N misses=N wrong=N handled=N
 *
 * Each probe has three sites: one as it comes, one whose switch is the last byte of a line of the
 * cache and one whose switch is the last byte of a page, so that the instruction is in two of them.
 */
#include "ocaml-probes.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_PROBES = 6, THREADS_MAX = 64, ROUNDS = 256 };

PROBE_DEFINE(counted);
PROBE_DEFINE(held);
PROBE_DEFINE(shared);
PROBE_DEFINE(span_start);
PROBE_DEFINE(span_stop);
PROBE_DEFINE(switched);

/* One thread's sums; on lines of the cache of its own. */
struct tally {
    unsigned long passes, hits, misses, wrong, handled;
} __attribute__((aligned(64)));

static struct tally tallies[THREADS_MAX];
static volatile int ending;
static useconds_t pause_us;

/*
 * The handler's calls, the probe of the last one, and how many had been judged. Volatile, as the
 * compiler sees no call where a site is.
 */
static __thread volatile unsigned long all_calls;
static __thread const char *volatile last_call;
static __thread unsigned long judged_calls;

static const char *const names[N_PROBES] = {"counted",    "held",      "shared",
                                            "span_start", "span_stop", "switched"};

void probe_hit(const char *name)
{
    all_calls++;
    last_call = name;
}

/* Was PROBE's handler called once since the last look, or not at all, and no other's? -1: wrong. */
static int look_at_calls(int probe)
{
    unsigned long calls = all_calls - judged_calls;

    judged_calls += calls;
    if (calls == 0)
        return 0;
    return calls == 1 && strcmp(last_call, names[probe]) == 0 ? 1 : -1;
}

static void judge(struct tally *tally, int probe, int compared)
{
    int handled = look_at_calls(probe);

    tally->passes++;
    if (compared && handled == 0)
        tally->misses++;
    else if (!compared && handled == 1)
        tally->hits++;
    else
        tally->wrong++;
}

/*
 * Where the nop is, after the 9 bytes of what comes before it: anywhere, or 2 bytes before the end
 * of a line or a page, so that the switch is the last byte.
 */
#define ANYWHERE    ""
#define END_OF_LINE "\tjmp 989f\n\t.p2align 6\n\t.skip 53, 0x90\n"
#define END_OF_PAGE "\tjmp 989f\n\t.p2align 12\n\t.skip 4085, 0x90\n"

/*
 * eax gets what the comparison compares it with, its own four bytes, and the zero flag is cleared;
 * so it is set behind the site if the comparison was executed. The wrapper keeps the flags.
 */
#define PASS(tally, probe, name, place)                                                            \
    do {                                                                                           \
        int compared_;                                                                             \
        __asm__ volatile(place "989:\n"                                                            \
                               "\tmovl 990f+2(%%rip), %%eax\n"                                     \
                               "\torl $1, %%ecx\n"                                                 \
                               "990:\n"                                                            \
                               "\tnop\n"                                                           \
                               "\t.byte " PROBE_BYTE_OFF "\n"                                      \
                               "\t.4byte probe_wrapper_" #name                                     \
                               " - . - 4\n" PROBE_NOTE("990b", name, "")                           \
                         : "=@ccz"(compared_)                                                      \
                         :                                                                         \
                         : "eax", "ecx", "memory");                                                \
        judge(tally, probe, compared_);                                                            \
    } while (0)

#define DEFINE_PASSES(name, probe)                                                                 \
    static __attribute__((noinline)) void pass_##name(struct tally *tally)                         \
    {                                                                                              \
        PASS(tally, probe, name, ANYWHERE);                                                        \
        PASS(tally, probe, name, END_OF_LINE);                                                     \
        PASS(tally, probe, name, END_OF_PAGE);                                                     \
    }

DEFINE_PASSES(counted, 0)
DEFINE_PASSES(held, 1)
DEFINE_PASSES(shared, 2)
DEFINE_PASSES(span_start, 3)
DEFINE_PASSES(span_stop, 4)
DEFINE_PASSES(switched, 5)

static void *run(void *data)
{
    struct tally *tally = data;

    for (unsigned int round = 1; !ending; round++) {
        pass_counted(tally);
        pass_held(tally);
        pass_shared(tally);
        pass_span_start(tally);
        pass_switched(tally);
        pass_span_stop(tally);
        if (pause_us && round % ROUNDS == 0)
            usleep(pause_us);
    }
    tally->handled = all_calls;
    return NULL;
}

static void print_totals(int n)
{
    struct tally sum = {.passes = 0};

    for (int i = 0; i < n; i++) {
        sum.passes += tallies[i].passes;
        sum.hits += tallies[i].hits;
        sum.misses += tallies[i].misses;
        sum.wrong += tallies[i].wrong;
        sum.handled += tallies[i].handled;
    }
    printf("totals passes=%lu hits=%lu misses=%lu wrong=%lu handled=%lu\n", sum.passes, sum.hits,
           sum.misses, sum.wrong, sum.handled);
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    sigset_t set;
    int option, signal, n = 4;

    while ((option = getopt(argc, argv, "n:p:")) != -1) {
        if (option == 'n')
            n = atoi(optarg);
        else if (option == 'p')
            pause_us = (useconds_t)atoi(optarg);
        else
            n = 0;
    }
    if (n <= 0 || n > THREADS_MAX) {
        fprintf(stderr, "usage: tally [-n THREADS] [-p MICROSECONDS]\n");
        return 2;
    }
    /* Blocked before the pid is known to anyone, and in all threads. */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, run, &tallies[i]) != 0)
            return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("pid %d\n", (int)getpid());
    while (sigwait(&set, &signal) != 0)
        continue;
    ending = 1;
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    print_totals(n);
    return 0;
}
