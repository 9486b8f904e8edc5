/* SPDX-License-Identifier: MIT */
/*
 * host [-l] [-m] [-u] [-i MILLISECONDS] [-n ROUNDS] [-q] LIBRARY
 *
 * Loads a library with probes (as libplug.c) at SIGUSR1 and unloads it at SIGUSR2; says `loaded`
 * and `unloaded`. Has a probe gc_start itself.
 *
 *     -l  load at the start
 *     -u  not dumpable
 *     -m  whenever it is loaded, load it a second time by dlmopen (it prints as `plug2`)
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

PROBE_DEFINE(gc_start);

struct plug {
    const char *as;
    void *handle;
    void (*run)(const char *as, long round);
};

static struct pace pace = PACE_DEFAULT;

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

static int plug_load(struct plug *plug, const char *path, Lmid_t namespace)
{
    void *symbol;

    if (plug->handle)
        return 0;
    plug->handle = dlmopen(namespace, path, RTLD_NOW | RTLD_LOCAL);
    if (!plug->handle) {
        printf("failed: %s\n", dlerror());
        return -1;
    }
    /* ISO C has no cast from a pointer to data to one to code. */
    symbol = dlsym(plug->handle, "plug_run");
    memcpy(&plug->run, &symbol, sizeof(symbol));
    return 0;
}

static void plug_unload(struct plug *plug)
{
    if (plug->handle)
        dlclose(plug->handle);
    plug->handle = NULL;
    plug->run = NULL;
}

static void load(struct plug plugs[2], const char *path, int second)
{
    if (plug_load(&plugs[0], path, LM_ID_BASE) < 0)
        return;
    if (second && plug_load(&plugs[1], path, LM_ID_NEWLM) < 0)
        return;
    printf("loaded\n");
}

static void unload(struct plug plugs[2])
{
    plug_unload(&plugs[1]);
    plug_unload(&plugs[0]);
    printf("unloaded\n");
}

static void run_round(struct plug plugs[2])
{
    PROBE_SITE(gc_start);
    for (int i = 0; i < 2; i++)
        if (plugs[i].run)
            plugs[i].run(pace.quiet ? NULL : plugs[i].as, pace.round);
}

int main(int argc, char **argv)
{
    struct plug plugs[2] = {{.as = "plug"}, {.as = "plug2"}};
    int at_start = 0;
    int second = 0;
    int option;

    while ((option = pace_getopt(&pace, argc, argv, "lmu")) != -1) {
        at_start |= option == 'l';
        second |= option == 'm';
        if (option == 'u')
            prctl(PR_SET_DUMPABLE, 0);
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "usage: host [-l] [-m] [-u] [-i MS] [-n ROUNDS] [-q] LIBRARY\n");
        return 2;
    }
    pace_begin();
    if (at_start)
        load(plugs, argv[optind], second);
    for (; pace_more(&pace); pace.round++) {
        int signal;

        run_round(plugs);
        signal = pace_wait(&pace);
        if (signal == SIGUSR1)
            load(plugs, argv[optind], second);
        else if (signal == SIGUSR2)
            unload(plugs);
    }
    return 0;
}
