/* SPDX-License-Identifier: MIT */
/*
 * combo [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * SystemTap probes of provider `lib`, with sites as libbpf's usdt.h makes them: a nop and a
 * five-byte nop behind it, to which newer tracers attach.
 *
 *     warm        its site is run in each round
 *     cold        its site is never run
 *     warm_too    shares the semaphore of warm; never run
 *     direct      its note tells the address of the five-byte nop itself
 */
#include "pace.h"

#include <stdio.h>

#define SEMAPHORE(name) volatile unsigned short name __attribute__((section(".probes")))

SEMAPHORE(lib_warm_semaphore);
SEMAPHORE(lib_cold_semaphore);
SEMAPHORE(lib_direct_semaphore);

/* A site whose note tells the address of the label LABEL: 990 the nop, 991 the five-byte nop. */
#define SITE_AT(label, name, semaphore)                                                            \
    __asm__ volatile("990:\n"                                                                      \
                     "\tnop\n"                                                                     \
                     "991:\n"                                                                      \
                     "\t.byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"                                      \
                     ".pushsection .note.stapsdt, \"\", @note\n"                                   \
                     "\t.balign 4\n"                                                               \
                     "\t.4byte 8, 993f - 992f, 3\n"                                                \
                     "\t.asciz \"stapsdt\"\n"                                                      \
                     "992:\n"                                                                      \
                     "\t.8byte " label "\n"                                                        \
                     "\t.8byte 0\n"                                                                \
                     "\t.8byte " semaphore "\n"                                                    \
                     "\t.asciz \"lib\"\n"                                                          \
                     "\t.asciz \"" name "\"\n"                                                     \
                     "\t.asciz \"\"\n"                                                             \
                     "993:\n"                                                                      \
                     "\t.balign 4\n"                                                               \
                     ".popsection\n"                                                               \
                     :                                                                             \
                     :                                                                             \
                     : "memory")

static struct pace pace = PACE_DEFAULT;

int main(int argc, char **argv)
{
    volatile int never = 0;

    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        if (lib_warm_semaphore && !pace.quiet)
            printf("warm: round %ld\n", pace.round);
        SITE_AT("990b", "warm", "lib_warm_semaphore");
        SITE_AT("991b", "direct", "lib_direct_semaphore");
        if (never) {
            SITE_AT("990b", "cold", "lib_cold_semaphore");
            SITE_AT("990b", "warm_too", "lib_warm_semaphore");
        }
        (void)pace_wait(&pace);
    }
    return 0;
}
