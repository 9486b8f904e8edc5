/* SPDX-License-Identifier: MIT */
/*
 * library read PID     the state of all probes
 * library write PID    an update that switches all of them on; they are off before it
 *
 * What a client of the library waits for, without a server in between. Does it once for each byte
 * on standard input, and prints the nanoseconds that it took. A second thread sleeps, as a server
 * has others, too: the C library does more then.
 */
#include <probe-engine.h>

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int switch_all(struct probe_target *target, enum probe_action action,
                      struct probe_error *error)
{
    struct probe_update *update = NULL;
    if (probe_update_new(target, &update) < 0)
        errx(1, "no memory");
    int status = 0;
    for (size_t i = 0; i < probe_target_count(target) && status == 0; i++)
        status = probe_update_add(update, i, action, 0, error);
    if (status == 0)
        status = probe_update_apply(update, error);
    probe_update_free(update);
    return status;
}

static int do_once(struct probe_target *target, bool writes, struct probe_error *error)
{
    enum probe_state state = PROBE_OFF;
    int status = probe_target_look(target, error);
    if (status == 0)
        status = writes ? switch_all(target, PROBE_SWITCH_ON, error)
                        : probe_target_state(target, &state, error);
    return status;
}

static void *sleep_on(void *data)
{
    (void)data;
    for (;;)
        pause();
    return NULL;
}

int main(int argc, char **argv)
{
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    struct probe_error error = {.text = "no memory"};
    pthread_t thread;
    char byte = 0;
    if (argc != 3)
        errx(2, "usage: library read|write PID");
    bool writes = strcmp(argv[1], "write") == 0;
    if (probe_engine_new(NULL, &engine) < 0 ||
        probe_target_open(engine, (pid_t)strtol(argv[2], NULL, 10), PROBE_WRITE, &target, &error) <
            0)
        errx(1, "%s", error.text);
    pthread_create(&thread, NULL, sleep_on, NULL);
    while (read(STDIN_FILENO, &byte, 1) == 1) {
        if (writes && switch_all(target, PROBE_SWITCH_OFF, &error) < 0)
            errx(1, "%s", error.text);
        long long start = now();
        if (do_once(target, writes, &error) < 0)
            errx(1, "%s", error.text);
        printf("%lld\n", now() - start);
        fflush(stdout);
    }
    probe_target_close(target);
    probe_engine_free(engine);
    return 0;
}
