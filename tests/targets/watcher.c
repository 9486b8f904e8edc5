/* SPDX-License-Identifier: MIT */
/*
 * watcher [-a] [-c] [-p] [-r ROOM] [-s MILLISECONDS] [-u] PID [NAME]...
 *
 * Watches probes of a process with the library: prints "watching" on its standard error when it
 * does, the lines of the trace on its standard output, and at the end how often each fired, and how
 * many firings were lost. SIGTERM ends it, too.
 *
 *     -a  without the capabilities for it: a child has them, which attaches
 *     -c  counts only
 *     -p  by perf events, as on a kernel that has nothing else
 *     -r  bytes of room for what is not read yet
 *     -s  sleeps for so long after each read
 *     -u  also probes without a semaphore
 */
#include "engine.h"
#include "watch/attach.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal)
{
    (void)signal;
    ended = 1;
}

static void fail(const struct probe_error *error)
{
    fprintf(stderr, "watcher: %s\n", error->text);
    exit(1);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Attaches for whoever is at the other end of SOCKET, until that has ended. */
static void attach_for(int socket, const struct probe_grant *grant)
{
    struct probe_engine *engine = NULL;
    struct probe_attacher *attacher = NULL;
    struct probe_error error = {0};
    int status = 0;
    if (probe_engine_new(NULL, &engine) < 0 ||
        probe_attacher_new(engine, socket, grant, -1, &attacher) < 0)
        _exit(2);
    while (status != -EPIPE) {
        struct pollfd request = {.fd = socket, .events = POLLIN};
        poll(&request, 1, -1);
        status = probe_attacher_serve(attacher, NULL, &error);
    }
    _exit(0);
}

/* Gives up what attaching takes: none of it can be had again. */
static void drop_capabilities(void)
{
    static const unsigned int dropped[] = {CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN};
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) < 0)
        exit(2);
    for (size_t i = 0; i < sizeof(dropped) / sizeof(*dropped); i++) {
        sets[CAP_TO_INDEX(dropped[i])].permitted &= ~CAP_TO_MASK(dropped[i]);
        sets[CAP_TO_INDEX(dropped[i])].effective &= ~CAP_TO_MASK(dropped[i]);
    }
    if (syscall(SYS_capset, &header, sets) < 0)
        exit(2);
}

/* Starts what attaches to the process PID, for us who cannot. Returns the socket to ask it. */
static int start_attacher(pid_t pid)
{
    char path[32];
    struct stat owner;
    int ends[2];
    snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    if (stat(path, &owner) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        exit(2);
    const struct probe_grant grant = {pid, owner.st_uid, owner.st_gid, 0};
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        attach_for(ends[1], &grant);
    }
    close(ends[1]);
    if (child < 0)
        exit(2);
    drop_capabilities();
    return ends[0];
}

/* The indices of the probes that are named; all, where none is. */
static size_t choose(const struct probe_target *target, char **names, size_t *indices)
{
    size_t count = 0;
    for (size_t i = 0; i < probe_target_count(target); i++) {
        bool chosen = !*names;
        for (char **name = names; *name && !chosen; name++)
            chosen = strcmp(*name, probe_target_name(target, i)) == 0;
        if (chosen)
            indices[count++] = i;
    }
    return count;
}

/* Watches what was loaded meanwhile, too. */
static void add_new(struct probe_watch *watch, struct probe_target *target, char **names)
{
    struct probe_error error;
    if (probe_watch_settle(watch, 0, &error) < 0 || probe_target_look(target, &error) < 0)
        return;
    size_t *indices = calloc(probe_target_count(target) + 1, sizeof(*indices));
    ssize_t added = probe_watch_add(watch, target, indices, choose(target, names, indices), &error);
    if (added < 0 && added != -ESRCH) /* a line will tell of the end */
        fail(&error);
    free(indices);
}

static void print_lines(struct probe_watch *watch, struct probe_target *target, char **names,
                        long pause)
{
    static char buffer[1 << 16];
    ssize_t got = 0;
    time_t looked = time(NULL);
    while (!ended && got >= 0) {
        probe_watch_wait(watch, 200);
        if (time(NULL) != looked)
            add_new(watch, target, names);
        looked = time(NULL);
        got = probe_watch_read(watch, buffer, sizeof(buffer));
        if (got > 0)
            fwrite(buffer, 1, (size_t)got, stdout);
        fflush(stdout);
        if (pause > 0)
            sleep_ms(pause);
    }
}

int main(int argc, char **argv)
{
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    struct probe_watch *watch = NULL;
    struct probe_error error = {0};
    struct probe_engine_options shown = {0};
    struct probe_watch_options options = {0};
    bool perf = false;
    bool asks = false;
    long pause = 0;
    int option = 0;
    while ((option = getopt(argc, argv, "acpr:s:u")) != -1) {
        options.counts_only |= option == 'c';
        shown.all |= option == 'u';
        perf |= option == 'p';
        asks |= option == 'a';
        if (option == 'r')
            options.room = strtoul(optarg, NULL, 10);
        if (option == 's')
            pause = strtol(optarg, NULL, 10);
    }
    if (optind == argc || probe_engine_new(&shown, &engine) < 0)
        return 2;
    if (perf)
        engine->watch_way = WATCH_PERF;
    signal(SIGTERM, end);
    if (probe_target_open(engine, (pid_t)strtol(argv[optind], NULL, 10), PROBE_WRITE, &target,
                          &error) < 0)
        fail(&error);
    char **names = argv + optind + 1;
    size_t *indices = calloc(probe_target_count(target) + 1, sizeof(*indices));
    size_t count = choose(target, names, indices);
    if (asks)
        options.attacher = start_attacher(probe_target_pid(target));
    if (probe_watch_new(target, indices, count, &options, &watch, &error) < 0 ||
        probe_watch_settle(watch, -1, &error) < 0)
        fail(&error);
    free(indices);
    fputs("watching\n", stderr);
    print_lines(watch, target, names, pause);
    for (size_t i = 0; i < probe_watch_count(watch); i++)
        printf("hits %" PRIu64 " %s\n", probe_watch_hits(watch, i), probe_watch_name(watch, i));
    printf("missed %" PRIu64 "\n", probe_watch_lost(watch));
    probe_watch_free(watch);
    probe_target_close(target);
    probe_engine_free(engine);
    return 0;
}
