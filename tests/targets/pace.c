/* SPDX-License-Identifier: MIT */
#include "pace.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long parse_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text || *end || number < 0) {
        fprintf(stderr, "'%s' is not a number\n", text);
        exit(2);
    }
    return number;
}

int pace_getopt(struct pace *pace, int argc, char **argv, const char *more)
{
    char options[64];
    int option;

    /* '+': options end at the first other word, which may be a program with options. */
    snprintf(options, sizeof(options), "+i:n:q%s", more);
    while ((option = getopt(argc, argv, options)) != -1) {
        if (option == 'i')
            pace->interval_ms = parse_number(optarg);
        else if (option == 'n')
            pace->rounds = parse_number(optarg);
        else if (option == 'q')
            pace->quiet = true;
        else
            break;
    }
    if (option == '?')
        exit(2);
    return option;
}

static sigset_t asked_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    return set;
}

void pace_begin(void)
{
    sigset_t set = asked_signals();

    /* Blocked before the pid is known to anyone, so that no early signal can kill us. */
    sigprocmask(SIG_BLOCK, &set, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("pid %d\n", (int)getpid());
}

void pace_end(void)
{
    sigset_t set = asked_signals();

    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

bool pace_more(const struct pace *pace)
{
    return pace->rounds == 0 || pace->round < pace->rounds;
}

int pace_wait(const struct pace *pace)
{
    sigset_t set = asked_signals();
    struct timespec interval = {
        .tv_sec = pace->interval_ms / 1000,
        .tv_nsec = pace->interval_ms % 1000 * 1000000,
    };
    int signal = sigtimedwait(&set, NULL, &interval);

    return signal > 0 ? signal : 0;
}
