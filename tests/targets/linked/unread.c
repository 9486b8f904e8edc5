/* SPDX-License-Identifier: MIT */
/* A semaphore that nothing reads, in a unit of its own: --gc-sections may drop it. */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

volatile unsigned short app_unread_semaphore __attribute__((section(".probes")));

void mark_unread(int round);

void mark_unread(int round)
{
    STAP_PROBE1(app, unread, round);
}
