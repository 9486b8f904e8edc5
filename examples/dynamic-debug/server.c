/* SPDX-License-Identifier: MIT */
/*
 * server [REQUESTS]: a program with two categories of debug output, both off when it starts. It
 * pretends to serve a request every 50 ms: REQUESTS of them, or without end.
 */
#include "debug.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

DEBUG_CATEGORY(net);
DEBUG_CATEGORY(cache);

static void receive_request(unsigned long number)
{
    debug(net, "request %lu from 192.0.2.%lu", number, number % 250 + 1);
}

static void look_up(unsigned long number)
{
    debug(cache, "request %lu: entry %lu", number, number % 3);
}

int main(int argc, char **argv)
{
    const struct timespec pause = {.tv_nsec = 50000000}; /* 50 ms */
    unsigned long requests = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    for (unsigned long i = 0; requests == 0 || i < requests; i++) {
        receive_request(i);
        look_up(i);
        nanosleep(&pause, NULL);
    }
}
