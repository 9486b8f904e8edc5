/* SPDX-License-Identifier: MIT */
/*
 * Debug output that is switched while the program runs.
 *
 *     DEBUG_CATEGORY(net);                   once, in one source file
 *     DEBUG_CATEGORY_EXTERN(net);            in the others that use it
 *
 *     debug(net, "accepted %d", fd);         anywhere
 *
 * Each category is a tracing probe, `debug:net`, whose semaphore says whether anybody wants its
 * output. While it is off, debug() costs a load, a comparison and a branch: its arguments are not
 * evaluated. Switch it with
 *
 *     echo 1 > /mnt/probes/PID/debug:net/enabled
 *
 * Tracers get the line as the probe's argument, and switch the category on while they are attached.
 */
#ifndef DEBUG_H
#define DEBUG_H

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#include <stdio.h>

/*
 * Volatile, as others change it while the program runs. Hidden, as each program and library has its
 * own. Tools expect it in this section.
 */
#define DEBUG_CATEGORY(category)                                                                   \
    volatile unsigned short debug_##category##_semaphore                                           \
        __attribute__((section(".probes"), visibility("hidden")))
#define DEBUG_CATEGORY_EXTERN(category) extern DEBUG_CATEGORY(category)

#define debug(category, ...)                                                                       \
    do {                                                                                           \
        if (__builtin_expect(debug_##category##_semaphore, 0)) {                                   \
            char debug_line[256];                                                                  \
            snprintf(debug_line, sizeof(debug_line), __VA_ARGS__);                                 \
            fprintf(stderr, #category ": %s\n", debug_line);                                       \
            DTRACE_PROBE1(debug, category, debug_line);                                            \
        }                                                                                          \
    } while (0)

#endif
