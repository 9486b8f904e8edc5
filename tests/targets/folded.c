/* SPDX-License-Identifier: MIT */
/*
 * folded [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * SystemTap probes `first` and `second` of provider `fold`, whose notes tell of one site, each with
 * a semaphore of its own: as of two functions that do the same, where a linker makes one of them.
 */
#include "pace.h"

#define SEMAPHORE(name) volatile unsigned short name __attribute__((section(".probes")))

SEMAPHORE(fold_first_semaphore);
SEMAPHORE(fold_second_semaphore);

#define NOTE(name, semaphore)                                                                      \
    ".pushsection .note.stapsdt, \"\", @note\n"                                                    \
    "\t.balign 4\n"                                                                                \
    "\t.4byte 8, 992f - 991f, 3\n"                                                                 \
    "\t.asciz \"stapsdt\"\n"                                                                       \
    "991:\n"                                                                                       \
    "\t.8byte 990b, 0, " semaphore "\n"                                                            \
    "\t.asciz \"fold\"\n"                                                                          \
    "\t.asciz \"" name "\"\n"                                                                      \
    "\t.asciz \"\"\n"                                                                              \
    "992:\n"                                                                                       \
    "\t.balign 4\n"                                                                                \
    ".popsection\n"

int main(int argc, char **argv)
{
    struct pace pace = PACE_DEFAULT;

    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        __asm__ volatile("990:\n\tnop\n" NOTE("first", "fold_first_semaphore")
                             NOTE("second", "fold_second_semaphore")
                         :
                         :
                         : "memory");
        (void)pace_wait(&pace);
    }
    return 0;
}
