/* SPDX-License-Identifier: MIT */
/*
 * burst [-f] [-e] [-s] [-w] THREADS SHOTS
 *
 * THREADS threads pass the probe burst:shot SHOTS times each, as fast as they can, and then all is
 * told: "shots N". Its arguments are the thread's number, from 0, and the shot's, from 1.
 *
 *     -f  a child of fork() does the same at the same time
 *     -e  then the process executes itself, as `burst 1 5`
 *     -s  a third argument: a string
 *     -w  waits for SIGUSR1 before, and behind
 */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#include "pace.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned short burst_shot_semaphore __attribute__((section(".probes")));
unsigned short burst_named_semaphore __attribute__((section(".probes")));

static long shots;
static bool named;

static void *shoot(void *data)
{
    int thread = (int)(intptr_t)data;
    for (long shot = 1; shot <= shots; shot++) {
        if (named)
            STAP_PROBE3(burst, named, thread, shot, "a string of some length");
        else
            STAP_PROBE2(burst, shot, thread, shot);
    }
    return NULL;
}

static void shoot_all(int count)
{
    pthread_t threads[64];
    for (int i = 1; i < count; i++)
        pthread_create(&threads[i], NULL, shoot, (void *)(intptr_t)i);
    shoot(NULL);
    for (int i = 1; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void wait_for_usr1(const struct pace *pace)
{
    while (pace_wait(pace) != SIGUSR1)
        continue;
}

int main(int argc, char **argv)
{
    struct pace pace = {.interval_ms = 3600000};
    bool forks = false;
    bool executes = false;
    bool waits = false;
    int option = 0;
    while ((option = pace_getopt(&pace, argc, argv, "fesw")) != -1) {
        forks |= option == 'f';
        executes |= option == 'e';
        named |= option == 's';
        waits |= option == 'w';
    }
    int count = argc > optind ? (int)strtol(argv[optind], NULL, 10) : 1;
    shots = argc > optind + 1 ? strtol(argv[optind + 1], NULL, 10) : 1;
    pace_begin();
    if (waits)
        wait_for_usr1(&pace);
    pid_t child = forks ? fork() : -1;
    shoot_all(count);
    if (child == 0)
        _exit(0);
    if (child > 0)
        waitpid(child, NULL, 0);
    printf("shots %ld\n", count * shots);
    fflush(stdout);
    if (waits)
        wait_for_usr1(&pace);
    if (executes) {
        pace_end();
        execl("/proc/self/exe", argv[0], "1", "5", (char *)NULL);
    }
    return 0;
}
