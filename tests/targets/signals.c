/* SPDX-License-Identifier: MIT */
/*
 * signals N
 *
 * N threads pass a site again and again, with rests in between. At SIGUSR1 a child begins to queue
 * real-time signals, half of them for the process and half for one of the threads, each with a
 * number of its own, as fast as they are taken. At SIGUSR2 it ends; when all have arrived, or none
 * has for a while:
 *
 *     signals sent=N missing=N doubled=N disordered=N
 *
 * Those for one thread have to arrive in the order in which they were sent.
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIGNALS_MAX = 1 << 24, THREADS_MAX = 64, PATIENCE = 10 };

PROBE_DEFINE(gc_start);

/* Shared with the child that sends. */
static struct shared {
    unsigned int sent;
    int ended;
    pid_t tids[THREADS_MAX];
} * shared;

static unsigned char *seen; /* how often each number arrived */
static unsigned int received, disordered;
static __thread int last_of_thread;

void probe_hit(const char *name)
{
    (void)name;
}

static void take(int signal, siginfo_t *info, void *context)
{
    int number = info->si_value.sival_int;

    (void)context;
    if (signal == SIGRTMIN + 1) {
        if (number <= last_of_thread)
            __atomic_add_fetch(&disordered, 1, __ATOMIC_RELAXED);
        last_of_thread = number;
    }
    if (number > 0 && number < SIGNALS_MAX)
        __atomic_add_fetch(&seen[number], 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&received, 1, __ATOMIC_RELAXED);
}

static __attribute__((noinline)) void pass(void)
{
    PROBE_SITE(gc_start);
}

static void *run(void *tid)
{
    __atomic_store_n((pid_t *)tid, gettid(), __ATOMIC_RELEASE);
    for (;;) {
        for (int i = 0; i < 1000; i++)
            pass();
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    return NULL;
}

/* To the process, or to the thread TID. */
static int queue(pid_t pid, pid_t tid, int number)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = number;
    if (tid == 0)
        return (int)syscall(SYS_rt_sigqueueinfo, pid, SIGRTMIN, &info);
    return (int)syscall(SYS_rt_tgsigqueueinfo, pid, tid, SIGRTMIN + 1, &info);
}

static void send_all(pid_t pid, int threads)
{
    for (int i = 1; i < SIGNALS_MAX && !__atomic_load_n(&shared->ended, __ATOMIC_ACQUIRE); i++) {
        pid_t tid = i % 2 ? 0 : shared->tids[i / 2 % threads];

        /* The queue is full: they are slower to take them. */
        while (queue(pid, tid, i) < 0 && errno == EAGAIN)
            sched_yield();
        __atomic_store_n(&shared->sent, (unsigned int)i, __ATOMIC_RELEASE);
    }
    _exit(0);
}

static void wait_for_all(unsigned int sent)
{
    unsigned int before = 0;
    int patience = PATIENCE * 100;

    while (__atomic_load_n(&received, __ATOMIC_RELAXED) < sent && patience-- > 0) {
        if (before != received)
            patience = PATIENCE * 100;
        before = received;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static void print_signals(void)
{
    unsigned int sent = __atomic_load_n(&shared->sent, __ATOMIC_ACQUIRE);
    unsigned int missing = 0, doubled = 0;

    wait_for_all(sent);
    for (unsigned int i = 1; i <= sent; i++) {
        missing += seen[i] == 0;
        doubled += seen[i] > 1;
    }
    printf("signals sent=%u missing=%u doubled=%u disordered=%u\n", sent, missing, doubled,
           disordered);
}

static void handle(int signal)
{
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_RESTART};

    sigfillset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

static void start_threads(int threads)
{
    for (int i = 0; i < threads; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, run, &shared->tids[i]) != 0)
            exit(1);
        while (__atomic_load_n(&shared->tids[i], __ATOMIC_ACQUIRE) == 0)
            sched_yield();
    }
}

int main(int argc, char **argv)
{
    struct pace pace = PACE_DEFAULT;
    int threads = argc == 2 ? atoi(argv[1]) : 0;
    pid_t child = 0;

    if (threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: signals N\n");
        return 2;
    }
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    seen = calloc(SIGNALS_MAX, 1);
    if (shared == MAP_FAILED || !seen)
        return 1;
    handle(SIGRTMIN);
    handle(SIGRTMIN + 1);
    pace_begin();
    start_threads(threads);
    for (;;) {
        int signal = pace_wait(&pace);

        if (signal == SIGUSR1 && child == 0 && (child = fork()) == 0)
            send_all(getppid(), threads);
        if (signal == SIGUSR2 && child > 0) {
            __atomic_store_n(&shared->ended, 1, __ATOMIC_RELEASE);
            waitpid(child, NULL, 0);
            print_signals();
        }
    }
}
