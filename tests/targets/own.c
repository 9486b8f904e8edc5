/* SPDX-License-Identifier: MIT */
/*
 * own N UPDATES
 *
 * Switches its own probes with the library, so many times, while N threads pass the sites; then
 * tries what has to fail. Says, as its last line:
 *
 *     updates N hits N misses N wrong N permissions same refused same
 *
 * wrong is how often a handler ran twice in a pass, or as another probe; permissions are those of
 * each page of the process, before and after; refused is an update that the kernel does not allow
 * (no more writable memory), after which all is as before.
 */
#include "ocaml-probes.h"

#include <probe-engine.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

PROBE_DEFINE(gc_start);
PROBE_DEFINE(gc_stop);

static struct {
    unsigned long hits, misses, wrong;
} total;
static int ended;
static __thread volatile unsigned int starts, stops;

void probe_hit(const char *name)
{
    if (strcmp(name, "gc_start") == 0)
        starts++;
    else
        stops++;
}

static NOINLINE void pass_start(void)
{
    PROBE_SITE(gc_start);
}

/* On another page of code. */
static NOINLINE __attribute__((aligned(4096))) void pass_stop(void)
{
    PROBE_SITE(gc_stop);
}

static void add(unsigned long *to, unsigned long count)
{
    __atomic_add_fetch(to, count, __ATOMIC_RELAXED);
}

static void *run(void *unused)
{
    unsigned long hits = 0, misses = 0, wrong = 0;

    (void)unused;
    while (!__atomic_load_n(&ended, __ATOMIC_RELAXED)) {
        starts = stops = 0;
        pass_start();
        wrong += starts > 1 || stops > 0;
        hits += starts == 1;
        misses += starts == 0;
        starts = stops = 0;
        pass_stop();
        wrong += stops > 1 || starts > 0;
        hits += stops == 1;
        misses += stops == 0;
    }
    add(&total.hits, hits);
    add(&total.misses, misses);
    add(&total.wrong, wrong);
    return NULL;
}

static void fail(const char *what, const struct probe_error *error)
{
    printf("%s: %s\n", what, error->text);
    exit(1);
}

static int update(struct probe_target *target, const char *pattern, enum probe_action action,
                  struct probe_error *error)
{
    struct probe_update *change;
    int status;

    if (probe_update_new(target, &change) < 0)
        return -ENOMEM;
    status = (int)probe_update_add_pattern(change, pattern, action, 0, error);
    if (status > 0)
        status = probe_update_apply(change, error);
    probe_update_free(change);
    return status;
}

/* The permissions of all mappings of this program's own file, where neighbours alike are one. */
static void read_permissions(char *text, size_t size)
{
    char line[512], program[256], before[8] = "";
    unsigned long start, end, last = 0;
    char permissions[8];
    FILE *maps = fopen("/proc/self/maps", "re");
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    size_t used = 0;

    program[length > 0 ? length : 0] = '\0';
    text[0] = '\0';
    while (maps && fgets(line, sizeof(line), maps)) {
        if (!strstr(line, program) || sscanf(line, "%lx-%lx %4s", &start, &end, permissions) != 3)
            continue;
        if (start != last || strcmp(permissions, before) != 0)
            used += (size_t)snprintf(text + used, size - used, "%lx %s\n", start, permissions);
        last = end;
        strcpy(before, permissions);
    }
    if (maps)
        fclose(maps);
}

/* Writable memory has a limit that is reached: the pages of code cannot become writable. */
static int is_refused(struct probe_target *target)
{
    struct probe_error error = {.text = ""};
    struct rlimit before, none;
    char permissions[2][4096];
    int status;

    read_permissions(permissions[0], sizeof(permissions[0]));
    getrlimit(RLIMIT_DATA, &before);
    none = before;
    none.rlim_cur = 4096; /* 0 is no limit, for the sake of valgrind */
    setrlimit(RLIMIT_DATA, &none);
    status = update(target, "*", PROBE_SWITCH_ON, &error);
    setrlimit(RLIMIT_DATA, &before);
    read_permissions(permissions[1], sizeof(permissions[1]));
    if (status != -ENOMEM || !strstr(error.text, "cannot write the code"))
        fail("it was not refused", &error);
    starts = stops = 0;
    pass_start();
    pass_stop();
    return starts == 0 && stops == 0 && !PROBE_ENABLED(gc_start) && !PROBE_ENABLED(gc_stop) &&
           strcmp(permissions[0], permissions[1]) == 0;
}

static void switch_often(struct probe_target *target, long updates)
{
    static const char *const patterns[] = {"gc_start", "*", "gc_stop"};
    struct probe_error error = {.text = ""};

    for (long i = 0; i < updates; i++) {
        enum probe_action action = i % 2 ? PROBE_SWITCH_OFF : PROBE_SWITCH_ON;

        if (update(target, patterns[i / 2 % 3], action, &error) < 0)
            fail("update", &error);
    }
    if (update(target, "*", PROBE_SWITCH_OFF, &error) < 0)
        fail("update", &error);
}

int main(int argc, char **argv)
{
    const struct probe_engine_options options = {.method = PROBE_METHOD_SELF};
    static struct probe_engine *engine;
    static struct probe_target *target;
    static pthread_t threads[64];
    static char permissions[2][4096];
    struct probe_error error = {.text = ""};
    int count = argc == 3 ? atoi(argv[1]) : -1;
    int refused;

    if (count < 0 || count > 64)
        return 2;
    read_permissions(permissions[0], sizeof(permissions[0]));
    if (probe_engine_new(&options, &engine) < 0)
        return 1;
    if (probe_target_open(engine, getpid(), PROBE_WRITE, &target, &error) < 0)
        fail("open", &error);
    /* From here on the library needs no memory that it has not got. */
    switch_often(target, 1);
    refused = is_refused(target);
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            return 1;
    switch_often(target, atol(argv[2]));
    __atomic_store_n(&ended, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    read_permissions(permissions[1], sizeof(permissions[1]));
    printf("updates %s hits %lu misses %lu wrong %lu permissions %s refused %s\n", argv[2],
           total.hits, total.misses, total.wrong,
           strcmp(permissions[0], permissions[1]) == 0 ? "same" : "changed",
           refused ? "same" : "changed");
    probe_target_close(target);
    probe_engine_free(engine);
    return 0;
}
