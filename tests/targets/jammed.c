/* SPDX-License-Identifier: MIT */
/*
 * jammed FILE PROGRAM
 *
 * Has a probe gc_start, keeps FILE open close-on-exec, and executes PROGRAM at SIGUSR1: where the
 * flush of FILE is never answered, it stays inside of exec, and whoever asks for its state waits.
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

PROBE_DEFINE(gc_start);

static struct pace pace = PACE_DEFAULT;

void probe_hit(const char *name)
{
    (void)name;
}

int main(int argc, char **argv)
{
    char *arguments[] = {"jammed", NULL};
    if (argc != 3 || open(argv[1], O_RDONLY | O_CLOEXEC) < 0) {
        perror("jammed");
        return 1;
    }
    pace_begin();
    do
        PROBE_SITE(gc_start);
    while (pace_wait(&pace) != SIGUSR1);
    pace_end();
    execv(argv[2], arguments);
    return 1;
}
