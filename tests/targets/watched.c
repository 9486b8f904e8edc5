/* SPDX-License-Identifier: MIT */
/* A program whose only probe has no semaphore: it can be watched, not switched. */
#include <sys/sdt.h>

#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    for (int round = 0;; round++) {
        STAP_PROBE1(web, silent, round);
        usleep(20000);
    }
}
