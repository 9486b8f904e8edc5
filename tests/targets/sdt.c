/* SPDX-License-Identifier: MIT */
/*
 * sdt [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * SystemTap probes of provider `web`. Their sites are a plain nop that nobody here patches, so
 * the program prints a line where the semaphore of a probe is above 0.
 *
 *     request_start           1 site                  } made with <sys/sdt.h>
 *     request_done            3 sites, 1 semaphore    }
 *     cache_hit, cache_miss   share one semaphore     }
 *     query                   3 sites, a semaphore for each
 *     silent                  no semaphore: nothing to switch
 */
/* The macros of <sys/sdt.h> leave out variadic arguments, where they are used. */
#pragma GCC diagnostic ignored "-Wpedantic"

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#include "pace.h"

#include <signal.h>
#include <stdio.h>

#define NOINLINE __attribute__((noinline))

/* Volatile: others change it while the program runs. */
#define SEMAPHORE(name) volatile unsigned short name __attribute__((section(".probes")))

SEMAPHORE(web_request_start_semaphore);
SEMAPHORE(web_request_done_semaphore);
SEMAPHORE(web_cache_hit_semaphore);
extern volatile unsigned short web_cache_miss_semaphore
    __attribute__((alias("web_cache_hit_semaphore")));
SEMAPHORE(web_query_1_semaphore);
SEMAPHORE(web_query_2_semaphore);
SEMAPHORE(web_query_3_semaphore);

/* <sys/sdt.h> has one semaphore for a name, or none for a whole file: these are made by hand. */
#define SDT_SITE(name, semaphore)                                                                  \
    __asm__ volatile("990:\n"                                                                      \
                     "\tnop\n"                                                                     \
                     ".pushsection .note.stapsdt, \"\", @note\n"                                   \
                     "\t.balign 4\n"                                                               \
                     "\t.4byte 8, 992f - 991f, 3\n"                                                \
                     "\t.asciz \"stapsdt\"\n"                                                      \
                     "991:\n"                                                                      \
                     "\t.8byte 990b\n"                                                             \
                     "\t.8byte _.stapsdt.base\n"                                                   \
                     "\t.8byte " semaphore "\n"                                                    \
                     "\t.asciz \"web\"\n"                                                          \
                     "\t.asciz \"" name "\"\n"                                                     \
                     "\t.asciz \"\"\n"                                                             \
                     "992:\n"                                                                      \
                     "\t.balign 4\n"                                                               \
                     ".popsection\n"                                                               \
                     :                                                                             \
                     :                                                                             \
                     : "memory")

enum { REQUEST_START, REQUEST_DONE, CACHE, QUERY_1, QUERY_2, QUERY_3, N_COUNTS };

static const char *const names[N_COUNTS] = {
    "request_start", "request_done", "cache", "query_1", "query_2", "query_3",
};
static unsigned long counts[N_COUNTS];
static struct pace pace = PACE_DEFAULT;

static void note_hit(int which, unsigned short semaphore)
{
    if (!semaphore)
        return;
    counts[which]++;
    if (!pace.quiet)
        printf("%s: round %ld\n", names[which], pace.round);
}

static void print_hits(void)
{
    printf("hits");
    for (int i = 0; i < N_COUNTS; i++)
        printf(" %s=%lu", names[i], counts[i]);
    printf("\n");
}

static NOINLINE void begin_request(long number)
{
    note_hit(REQUEST_START, web_request_start_semaphore);
    STAP_PROBE2(web, request_start, number, "/index.html");
}

static NOINLINE void end_request(long number)
{
    note_hit(REQUEST_DONE, web_request_done_semaphore);
    if (number % 3 == 0)
        STAP_PROBE1(web, request_done, number);
    else if (number % 3 == 1)
        STAP_PROBE2(web, request_done, number, 404);
    else
        STAP_PROBE3(web, request_done, number, 500, "internal");
}

static NOINLINE void look_up(long number)
{
    note_hit(CACHE, web_cache_hit_semaphore);
    if (number % 2)
        STAP_PROBE1(web, cache_hit, number);
    else
        STAP_PROBE1(web, cache_miss, number);
}

static NOINLINE void query(void)
{
    note_hit(QUERY_1, web_query_1_semaphore);
    SDT_SITE("query", "web_query_1_semaphore");
    note_hit(QUERY_2, web_query_2_semaphore);
    SDT_SITE("query", "web_query_2_semaphore");
    note_hit(QUERY_3, web_query_3_semaphore);
    SDT_SITE("query", "web_query_3_semaphore");
    SDT_SITE("silent", "0");
}

int main(int argc, char **argv)
{
    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        begin_request(pace.round);
        look_up(pace.round);
        query();
        end_request(pace.round);
        if (pace_wait(&pace) == SIGUSR1)
            print_hits();
    }
    return 0;
}
