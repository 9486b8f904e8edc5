/* SPDX-License-Identifier: MIT */
/*
 * What --gc-sections drops: functions that nothing calls. Linkers that keep their notes give them
 * the place in the function as an address: near its start, behind the file's headers, and so far
 * behind that code of the program may be there.
 */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#include <stdio.h>

volatile unsigned short app_dead_semaphore __attribute__((section(".probes")));
volatile unsigned short app_far_semaphore __attribute__((section(".probes")));
volatile unsigned short app_farther_semaphore __attribute__((section(".probes")));

void call_nobody(int i)
{
    STAP_PROBE1(app, dead, i);
    if (app_dead_semaphore)
        puts("dead is on");
}

void call_nobody_far(int i)
{
    __asm__ volatile(".skip 0x480, 0xcc");
    STAP_PROBE1(app, far, i);
    if (app_far_semaphore)
        puts("far is on");
}

void call_nobody_farther(int i)
{
    __asm__ volatile(".skip 0x2800, 0xcc");
    STAP_PROBE1(app, farther, i);
    if (app_farther_semaphore)
        puts("farther is on");
}
