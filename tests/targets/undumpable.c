/* SPDX-License-Identifier: MIT */
/*
 * undumpable [-i MILLISECONDS] [-n ROUNDS] [-q] [-s] [-u UID]
 *
 * Has a probe gc_start, and does not let its own user trace it, as ssh-agent and gpg-agent do.
 * With -s, not before SIGUSR1. With -u, it is started by root and becomes the user UID, as daemons
 * do: then the kernel does not let that user trace it.
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

PROBE_DEFINE(gc_start);

static struct pace pace = PACE_DEFAULT;

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

static int become(uid_t uid)
{
    return setresgid(uid, uid, uid) < 0 ? -1 : setresuid(uid, uid, uid);
}

int main(int argc, char **argv)
{
    bool waits = false;
    long uid = -1;
    int option;

    while ((option = pace_getopt(&pace, argc, argv, "su:")) != -1) {
        if (option == 's')
            waits = true;
        else if (option == 'u')
            uid = strtol(optarg, NULL, 10);
    }
    if (uid >= 0 ? become((uid_t)uid) < 0 : !waits && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return 1;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        PROBE_SITE(gc_start);
        if (pace_wait(&pace) == SIGUSR1)
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    return 0;
}
