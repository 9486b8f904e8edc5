/* SPDX-License-Identifier: MIT */
/*
 * vforker [-t] [-m] [-i MILLISECONDS] [-q] PROGRAM [ARGUMENT]...
 *
 * Has a probe gc_start, and vforks a child that lives in the parent's memory until SIGUSR1 (sent
 * to the child) or a byte on stdin comes; then the child becomes PROGRAM, and the parent, which
 * the kernel held until then, goes on with its rounds. Prints `pid N`, then `child M` from the
 * child.
 *
 *     -t  a second thread of the parent goes round meanwhile
 *     -m  the main thread has ended before: a third thread has the child
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

PROBE_DEFINE(gc_start);

static struct pace pace = PACE_DEFAULT;

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

static __attribute__((noinline)) void *run_rounds(void *unused)
{
    (void)unused;
    for (; pace_more(&pace); pace.round++) {
        PROBE_SITE(gc_start);
        pace_wait(&pace);
    }
    return NULL;
}

/* Made before vfork: a signalfd gives the signals of whoever reads it. */
static int open_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void wait_for_word(int signal_fd)
{
    struct signalfd_siginfo taken;
    struct pollfd polled[2] = {
        {.fd = signal_fd, .events = POLLIN},
        {.fd = 0, .events = POLLIN},
    };
    char byte;

    for (;;) {
        if (poll(polled, 2, -1) < 0)
            continue;
        /* Taken, or it would kill the program that the child becomes. */
        if (polled[0].revents && read(signal_fd, &taken, sizeof(taken)) > 0)
            return;
        if (polled[1].revents && read(0, &byte, 1) == 1)
            return;
        /* The end of stdin is no word: look at the signal alone. */
        if (polled[1].revents)
            polled[1].fd = -1;
    }
}

/* Runs in the parent's memory: touches none of the parent's variables, and no stdio. */
static void live_as_child(int signal_fd, char **argv)
{
    dprintf(1, "child %d\n", (int)getpid());
    wait_for_word(signal_fd);
    pace_end();
    execvp(argv[0], argv);
    _exit(127);
}

static int have_child(char **argv)
{
    int signal_fd = open_signal();
    pid_t child;

    if (signal_fd < 0)
        return -1;
    child = vfork();
    if (child == 0)
        live_as_child(signal_fd, argv);
    close(signal_fd);
    return child < 0 ? -1 : 0;
}

static pthread_t main_thread;

static void *have_child_alone(void *argv)
{
    pthread_join(main_thread, NULL);
    if (have_child(argv) < 0)
        perror("vfork");
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pthread_t other;
    int threaded = 0;
    int alone = 0;
    int option;

    while ((option = pace_getopt(&pace, argc, argv, "tm")) != -1) {
        threaded |= option == 't';
        alone |= option == 'm';
    }
    if (optind >= argc) {
        fprintf(stderr, "usage: vforker [-t] [-m] [-i MS] [-q] PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    pace_begin();
    signal(SIGCHLD, SIG_IGN);
    if (threaded && pthread_create(&thread, NULL, run_rounds, NULL) != 0)
        return 1;
    main_thread = pthread_self();
    if (alone && pthread_create(&other, NULL, have_child_alone, argv + optind) == 0)
        pthread_exit(NULL);
    if (have_child(argv + optind) < 0) {
        perror("vfork");
        return 1;
    }
    if (threaded)
        pthread_join(thread, NULL);
    else
        run_rounds(NULL);
    return 0;
}
