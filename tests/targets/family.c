/* SPDX-License-Identifier: MIT */
/*
 * family [-i MILLISECONDS] [-q] DIRECTORY [PROGRAM [ARGUMENT]...]
 *
 * Has a probe gc_start. It, and each process that descends from it, does what is written, a line
 * each, into the FIFO DIRECTORY/PID:
 *
 *     fork [N]        has a child, or N
 *     thread          has a child from a thread that stays
 *     share           has a child that shares its memory and calls no exec
 *     exec            becomes PROGRAM
 *     user UID        becomes another user and group
 *     end             ends
 *
 * and says so:
 *
 *     1234 has 1240
 *     1240 is another
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

PROBE_DEFINE(gc_start);

static struct pace pace = {.interval_ms = 20};
static char **arguments; /* DIRECTORY PROGRAM ... */
static int fifo = -1;
static char stack[65536];

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%d %s: round %ld\n", (int)getpid(), name, pace.round);
}

static void listen_to(pid_t pid)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%d", arguments[0], (int)pid);
    if (fifo >= 0)
        close(fifo);
    if (mkfifo(path, 0666) < 0 || (fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0) {
        perror(path);
        _exit(1);
    }
}

static void have_child(void)
{
    pid_t child = fork();

    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, 0);
        listen_to(getpid());
        return;
    }
    printf("%d has %d\n", (int)getpid(), (int)child);
}

static void *have_child_of_thread(void *data)
{
    pid_t child = fork();

    (void)data;
    while (child == 0)
        pause();
    printf("%d has %d\n", (int)getpid(), (int)child);
    for (;;)
        pause();
    return NULL;
}

static int share(void *data)
{
    (void)data;
    for (;;)
        pause();
    return 0;
}

static void obey(char *command)
{
    char *number = strchr(command, ' ');
    long value = number ? strtol(number + 1, NULL, 10) : 1;
    pthread_t thread;
    pid_t pid = getpid();

    if (strncmp(command, "fork", 4) == 0) {
        while (value-- > 0 && getpid() == pid)
            have_child();
    } else if (strcmp(command, "thread") == 0) {
        pthread_create(&thread, NULL, have_child_of_thread, NULL);
    } else if (strcmp(command, "share") == 0) {
        printf("%d has %d\n", (int)pid,
               clone(share, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL));
    } else if (strncmp(command, "user", 4) == 0) {
        if (setresgid((gid_t)value, (gid_t)value, (gid_t)value) == 0 &&
            setresuid((uid_t)value, (uid_t)value, (uid_t)value) == 0)
            printf("%d is another\n", (int)pid);
    } else if (strcmp(command, "exec") == 0) {
        execv(arguments[1], arguments + 1);
        perror(arguments[1]);
    } else if (strcmp(command, "end") == 0) {
        exit(0);
    }
}

static void read_commands(void)
{
    char text[256];
    ssize_t length = read(fifo, text, sizeof(text) - 1);
    char *rest = text;

    if (length <= 0)
        return;
    text[length] = '\0';
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        obey(line);
}

int main(int argc, char **argv)
{
    while (pace_getopt(&pace, argc, argv, "+") != -1)
        continue;
    if (optind >= argc)
        return 2;
    arguments = argv + optind;
    signal(SIGCHLD, SIG_IGN);
    listen_to(getpid());
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        PROBE_SITE(gc_start);
        read_commands();
        (void)pace_wait(&pace);
    }
    return 0;
}
