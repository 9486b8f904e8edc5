/* SPDX-License-Identifier: MIT */
/*
 * What ocaml-probes.h makes of a site on AArch64: no instruction is ever switched. The program asks
 * the semaphore, and notes have a site of 0.
 */
#ifndef SITES_AARCH64_H
#define SITES_AARCH64_H

// clang-format off
#define PROBE_WRAPPER(name)

/* 1 while the probe is on. Volatile: others change the counter while the program runs. */
#define PROBE_ENABLED(name)                                                                 \
    __extension__({                                                                         \
        unsigned long on_;                                                                  \
        __asm__ volatile("adrp %0, " PROBE_COUNTER(name) "\n"                               \
                         "\tadd %0, %0, :lo12:" PROBE_COUNTER(name) "\n"                    \
                         "\tldrh %w0, [%0]\n"                                               \
                         : "=&r"(on_) : : "memory");                                        \
        on_ != 0;                                                                           \
    })

#define PROBE_SITE(name)                                                                    \
    do {                                                                                    \
        PROBE_NO_SITE(name);                                                                \
        if (PROBE_ENABLED(name))                                                            \
            probe_hit(#name);                                                               \
    } while (0)
#define PROBE_SITE_ON(name)         PROBE_SITE(name)
#define PROBE_SITE1(name, value)    do { (void)(value); PROBE_SITE(name); } while (0)
// clang-format on

#endif
