/* SPDX-License-Identifier: MIT */
/*
 * report [exit STATUS | kill SIGNAL | cat | sleep]
 *
 * Says what a program finds when it starts, so that two ways of starting it can be compared:
 *
 *     early 1             was the probe `early`, in main(), on?
 *     late 1              and `late`, in a library?
 *     pid 1234, parent 1200
 *     children no         is there one, of whatever kind?
 *     SigBlk: ...         and more of /proc/self/status
 *     descriptors 0 1 2
 *
 * Then it does what it is told, and else ends.
 */
#include "ocaml-probes.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int construct_pass(void);

PROBE_DEFINE(early);

static volatile int hits;

void probe_hit(const char *name)
{
    (void)name;
    hits++;
}

static void print_status(void)
{
    static const char *const fields[] = {"SigPnd",     "ShdPnd",  "SigBlk",  "SigIgn", "SigCgt",
                                         "NoNewPrivs", "Seccomp", "Threads", "CapEff"};
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");

    while (status && fgets(line, sizeof(line), status))
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
            if (strncmp(line, fields[i], strlen(fields[i])) == 0)
                fputs(line, stdout);
    if (status)
        fclose(status);
}

static void print_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;

    printf("descriptors");
    while (directory && (entry = readdir(directory)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory))
            printf(" %s", entry->d_name);
    printf("\n");
    if (directory)
        closedir(directory);
}

static void copy_input(void)
{
    char line[256];

    while (fgets(line, sizeof(line), stdin)) {
        printf("read %s", line);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    PROBE_SITE(early);
    printf("early %d\nlate %d\n", hits, construct_pass());
    printf("pid %d, parent %d\n", (int)getpid(), (int)getppid());
    printf("session %d, group %d\n", (int)getsid(0), (int)getpgrp());
    printf("children %s\n",
           waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD ? "no" : "yes");
    print_status();
    print_descriptors();
    printf("arguments %d %s\n", argc, argv[0]);
    fflush(stdout);
    if (argc > 2 && strcmp(argv[1], "exit") == 0)
        return atoi(argv[2]);
    if (argc > 2 && strcmp(argv[1], "kill") == 0)
        raise(atoi(argv[2]));
    if (argc > 1 && strcmp(argv[1], "cat") == 0)
        copy_input();
    while (argc > 1 && strcmp(argv[1], "sleep") == 0)
        pause();
    return 0;
}
