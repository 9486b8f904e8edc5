/* SPDX-License-Identifier: MIT */
/*
 * vault [-i MILLISECONDS] [-n ROUNDS] LIBRARY [NEXT]
 *
 * Passes the probe vault:turn of LIBRARY (libvault) in each round, with the argument 1; a setuid
 * program first passes it a thousand times, and always with a secret: 424242. It says `turned`
 * after those. At SIGUSR1 it executes NEXT LIBRARY.
 */
#include "pace.h"

#include <dlfcn.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>

enum { SECRET = 424242, FIRST_TURNS = 1000 };

int main(int argc, char **argv)
{
    struct pace pace = PACE_DEFAULT;
    void (*turn)(long value) = NULL;
    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    if (argc - optind < 1)
        errx(2, "usage: vault LIBRARY [NEXT]");
    void *library = dlopen(argv[optind], RTLD_NOW);
    if (library)
        *(void **)&turn = dlsym(library, "vault_turn");
    if (!turn)
        errx(1, "cannot load '%s': %s", argv[optind], dlerror());
    long value = getauxval(AT_SECURE) ? SECRET : 1;
    for (int i = 0; value == SECRET && i < FIRST_TURNS; i++)
        turn(value);
    pace_begin();
    printf("turned %ld\n", value);
    for (; pace_more(&pace); pace.round++) {
        turn(value);
        if (pace_wait(&pace) != SIGUSR1 || !argv[optind + 1])
            continue;
        pace_end();
        execl(argv[optind + 1], argv[optind + 1], argv[optind], (char *)NULL);
        err(1, "cannot execute '%s'", argv[optind + 1]);
    }
    return 0;
}
