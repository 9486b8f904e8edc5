/* SPDX-License-Identifier: MIT */
/* Of the probes of this program, linkers may drop the code or the semaphore: see linkers.bats. */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#include <stdio.h>
#include <unistd.h>

volatile unsigned short app_alpha_semaphore __attribute__((section(".probes")));

void mark_unread(int round);

/* Code that is kept, and long: a place far behind in a dropped function is an address in here. */
__attribute__((noinline)) static void keep_much(void)
{
    __asm__ volatile("jmp 1f\n.skip 0x4000, 0xcc\n1:");
}

int main(void)
{
    printf("pid %d\n", (int)getpid());
    keep_much();
    for (int round = 0;; round++) {
        STAP_PROBE1(app, alpha, round);
        mark_unread(round);
        if (app_alpha_semaphore)
            puts("alpha is on");
        fflush(stdout);
        usleep(20000);
    }
}
