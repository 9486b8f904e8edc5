/* SPDX-License-Identifier: MIT */
/*
 * raw write PID ROUNDS   a pwrite of one byte for each site that an update switches, and one of
 *                        each counter's first byte
 * raw read PID ROUNDS    one read of all counters at once, and one of each page that sites are in
 * raw stop PID ROUNDS    all threads seized, interrupted, waited for, and let go
 *
 * The least that the kernel takes for an update, for a look at all states, and for stopping a
 * process. Memory is reached through an open /proc/PID/mem, at addresses that are known. Each byte
 * is written as it is. Prints the nanoseconds of each round.
 */
#include "arch/arch.h"
#include "target/snapshot.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, THREADS_MAX = 1024 };

/* Where an update of all probes writes, in its order; and the pages and the span to be read. */
struct plan_of_all {
    uint64_t *writes, *pages;
    uint8_t *bytes;
    size_t write_count, page_count;
    uint64_t span_start, span_end;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void add_pages(struct plan_of_all *plan, const struct probe_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->site_count; i++)
        plan->pages[i] = snapshot->sites[i].address & ~(uint64_t)(PAGE - 1);
    qsort(plan->pages, snapshot->site_count, sizeof(*plan->pages), compare);
    for (size_t i = 0; i < snapshot->site_count; i++) {
        if (i == 0 || plan->pages[i] != plan->pages[i - 1])
            plan->pages[plan->page_count++] = plan->pages[i];
    }
}

static void add_probe(struct plan_of_all *plan, const struct probe_snapshot *snapshot,
                      const struct snapshot_probe *probe)
{
    for (size_t c = 0; c < probe->counter_count; c++) {
        const struct snapshot_counter *counter = &snapshot->counters[probe->first_counter + c];
        plan->bytes[plan->write_count] = (uint8_t)counter->value;
        plan->writes[plan->write_count++] = counter->address;
        if (plan->span_end == 0 || counter->address < plan->span_start)
            plan->span_start = counter->address;
        if (counter->address + sizeof(counter->value) > plan->span_end)
            plan->span_end = counter->address + sizeof(counter->value);
    }
    for (size_t s = 0; s < probe->site_count; s++) {
        const struct snapshot_site *site = &snapshot->sites[probe->first_site + s];
        if (!site->patched)
            continue;
        plan->bytes[plan->write_count] = site->bytes[arch_switch_offset];
        plan->writes[plan->write_count++] = site->address + arch_switch_offset;
    }
}

static struct plan_of_all make_plan(pid_t pid)
{
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    struct probe_snapshot snapshot;
    struct probe_error error = {.text = "no memory"};
    if (probe_engine_new(NULL, &engine) < 0 ||
        probe_target_open(engine, pid, PROBE_READ, &target, &error) < 0 ||
        snapshot_init(target, NULL, probe_target_count(target), &snapshot, &error) < 0)
        errx(1, "%s", error.text);
    size_t room = snapshot.counter_count + snapshot.site_count;
    struct plan_of_all plan = {
        .writes = calloc(room, sizeof(uint64_t)),
        .pages = calloc(room, sizeof(uint64_t)),
        .bytes = calloc(room, 1),
    };
    if (!plan.writes || !plan.pages || !plan.bytes)
        err(1, "cannot keep %zu addresses", room);
    for (size_t i = 0; i < snapshot.probe_count; i++)
        add_probe(&plan, &snapshot, &snapshot.probes[i]);
    add_pages(&plan, &snapshot);
    snapshot_done(&snapshot);
    probe_target_close(target);
    probe_engine_free(engine);
    return plan;
}

static void write_all(int mem, const struct plan_of_all *plan)
{
    for (size_t i = 0; i < plan->write_count; i++) {
        if (pwrite(mem, &plan->bytes[i], 1, (off_t)plan->writes[i]) != 1)
            err(1, "cannot write");
    }
}

static void read_all(int mem, const struct plan_of_all *plan, void *buffer)
{
    size_t length = plan->span_end - plan->span_start;
    if (pread(mem, buffer, length, (off_t)plan->span_start) != (ssize_t)length)
        err(1, "cannot read counters");
    for (size_t i = 0; i < plan->page_count; i++) {
        if (pread(mem, buffer, PAGE, (off_t)plan->pages[i]) != PAGE)
            err(1, "cannot read code");
    }
}

/* Only threads that are there at the start: the target makes no new ones. */
static void stop_all(const char *pid)
{
    char path[32];
    pid_t threads[THREADS_MAX];
    size_t count = 0;
    snprintf(path, sizeof(path), "/proc/%.10s/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        err(1, "%s", path);
    for (struct dirent *task; (task = readdir(tasks)) && count < THREADS_MAX;) {
        pid_t tid = (pid_t)strtol(task->d_name, NULL, 10);
        if (tid > 0 && ptrace(PTRACE_SEIZE, tid, NULL, NULL) == 0 &&
            ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0)
            threads[count++] = tid;
    }
    closedir(tasks);
    for (size_t i = 0; i < count; i++) {
        if (waitpid(threads[i], NULL, __WALL) < 0)
            err(1, "cannot wait");
    }
    for (size_t i = 0; i < count; i++)
        ptrace(PTRACE_DETACH, threads[i], NULL, NULL);
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
    char path[32];
    if (argc != 4)
        errx(2, "usage: raw write|read|stop PID ROUNDS");
    struct plan_of_all plan = make_plan((pid_t)strtol(argv[2], NULL, 10));
    void *buffer = malloc(plan.span_end - plan.span_start + PAGE);
    snprintf(path, sizeof(path), "/proc/%.10s/mem", argv[2]);
    int mem = open(path, O_RDWR | O_CLOEXEC);
    if (!buffer || mem < 0)
        err(1, "%s", path);
    bool asked = strcmp(argv[3], "-") == 0;
    char byte = 0;
    for (long i = strtol(argv[3], NULL, 10); asked ? read(0, &byte, 1) == 1 : i > 0; i--) {
        long long start = now();
        if (strcmp(argv[1], "stop") == 0)
            stop_all(argv[2]);
        else if (strcmp(argv[1], "write") == 0)
            write_all(mem, &plan);
        else
            read_all(mem, &plan, buffer);
        printf("%lld\n", now() - start);
        fflush(stdout);
    }
    free(buffer);
    free(plan.bytes);
    free(plan.pages);
    free(plan.writes);
    return 0;
}
