/* SPDX-License-Identifier: MIT */
/*
 * blocked FILE
 *
 * Goes round with a probe gc_start, while a thread reads FILE, which may take for ever: its read is
 * the system call that /proc/PID/task/TID/syscall shows as 0.
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

PROBE_DEFINE(gc_start);

static struct pace pace = PACE_DEFAULT;

void probe_hit(const char *name)
{
    printf("%s: round %ld\n", name, pace.round);
}

static void *read_file(void *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, &byte, 1);

    printf("read %zd\n", got);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (argc != 2) {
        fprintf(stderr, "usage: blocked FILE\n");
        return 2;
    }
    pace_begin();
    if (pthread_create(&thread, NULL, read_file, argv[1]) != 0)
        return 1;
    for (;; pace.round++) {
        PROBE_SITE(gc_start);
        pace_wait(&pace);
    }
}
