/* SPDX-License-Identifier: MIT */
/*
 * A library with a probe, `late`, and a constructor, which does what the environment's CONSTRUCTOR
 * says, while the program is not at its entry point yet:
 *
 *     wait     prints `waiting PID`, until SIGUSR1 comes; then prints `woken`
 *     exec     becomes `echo replaced`
 *     exit     exits with status 9
 *     kill     kills itself with SIGKILL
 *     fork     has a child that exits, and waits for it
 *     thread   starts a thread, which never ends
 */
#include "ocaml-probes.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

PROBE_DEFINE(late);

static volatile int hits;
static volatile sig_atomic_t woken;

void probe_hit(const char *name)
{
    (void)name;
    hits++;
}

EXPORT int construct_pass(void)
{
    PROBE_SITE(late);
    return hits;
}

static void wake(int signal)
{
    (void)signal;
    woken = 1;
}

static void wait_for_signal(void)
{
    sigset_t set, old;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    signal(SIGUSR1, wake);
    dprintf(1, "waiting %d\n", (int)getpid());
    while (!woken)
        sigsuspend(&old);
    signal(SIGUSR1, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    dprintf(1, "woken\n");
}

static void *sleep_for_ever(void *data)
{
    for (;;)
        pause();
    return data;
}

static void have_child(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
}

__attribute__((constructor)) static void construct(void)
{
    const char *what = getenv("CONSTRUCTOR");
    pthread_t thread;

    if (!what)
        return;
    if (strcmp(what, "wait") == 0)
        wait_for_signal();
    else if (strcmp(what, "exec") == 0)
        execlp("echo", "echo", "replaced", NULL);
    else if (strcmp(what, "exit") == 0)
        _exit(9);
    else if (strcmp(what, "kill") == 0)
        raise(SIGKILL);
    else if (strcmp(what, "fork") == 0)
        have_child();
    else if (strcmp(what, "thread") == 0)
        pthread_create(&thread, NULL, sleep_for_ever, NULL);
}
