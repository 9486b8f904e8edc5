/* SPDX-License-Identifier: MIT */
/*
 * Which way this kernel goes is decided by trying: a function of a file that exists in memory alone
 * is watched, and a second thread calls it. Versions tell too little: kernels before 6.10 may see
 * one thread only, and distributions change what a version means.
 */
#include "arch/arch.h"
#include "process/privilege.h"
#include "watch/attach.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A namespace of processes has this number where it is the first one. */
enum { INITIAL_PID_NAMESPACE = (int)0xeffffffcU };

/* What is tried with. */
struct trial {
    struct watch_programs programs;
    const volatile __u64 *tallies;
    int file;
    void *code;
    size_t page;
};

static int make_code(struct trial *trial)
{
    trial->page = (size_t)sysconf(_SC_PAGESIZE);
    trial->file = memfd_create("probe-engine", MFD_CLOEXEC);
    if (trial->file < 0 ||
        write(trial->file, arch_probe_function, ARCH_PROBE_FUNCTION) != ARCH_PROBE_FUNCTION)
        return -errno;
    trial->code = mmap(NULL, trial->page, PROT_READ | PROT_EXEC, MAP_PRIVATE, trial->file, 0);
    return trial->code == MAP_FAILED ? -errno : 0;
}

static int load_programs(struct trial *trial, enum watch_way way, struct probe_error *error)
{
    static const struct watch_recipe recipe = {0};
    struct programs_wanted wanted = {
        .pid = getpid(),
        .way = way,
        /* To let go of the tracepoint makes the watch that follows wait 10 ms for it. */
        .ignores_exec = true,
        .recipes = &recipe,
        .recipe_count = 1,
        .tally_count = WATCH_COUNTS + 1,
        .ring_size = trial->page,
        .ring = -1,
        .tallies = -1,
    };
    int status = programs_load(&wanted, &trial->programs, error);
    if (status < 0)
        return status;
    status = tallies_open(trial->programs.tallies, wanted.tally_count, &trial->tallies);
    if (status < 0)
        error_set(error, -status, "cannot map what a program counts: %s", strerror(-status));
    return status;
}

static void *call_code(void *code)
{
    void (*function)(void) = NULL;
    memcpy(&function, &code, sizeof(function));
    function();
    return NULL;
}

static int attach_trial(const struct trial *trial, enum watch_way way)
{
    const uint64_t zero = 0;
    const struct link_sites sites = {trial->file, 1, &zero, &zero, &zero};
    if (way == WATCH_MULTI)
        return link_multi(trial->programs.site, getpid(), &sites);
    int kind = link_perf_kind();
    return kind < 0 ? kind : link_perf(trial->programs.site, kind, getpid(), &sites, 0);
}

static void *close_link(void *link)
{
    close((int)(intptr_t)link);
    return NULL;
}

/* The kernel takes 15 to 40 ms for it, which nobody needs to wait for. */
static void close_behind(int link)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, close_link, (void *)(intptr_t)link) == 0)
        pthread_detach(thread);
    else
        close(link);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Is a firing in a thread that is not the first one seen? */
static int try_attached(struct trial *trial, enum watch_way way)
{
    pthread_t thread;
    int link = attach_trial(trial, way);
    if (link < 0)
        return link;
    int status = -pthread_create(&thread, NULL, call_code, trial->code);
    if (status == 0) {
        pthread_join(thread, NULL);
        status = trial->tallies[WATCH_COUNTS] == 1 ? 0 : -EOPNOTSUPP;
    }
    close_behind(link);
    return status;
}

static int try_way(enum watch_way way, struct probe_error *error)
{
    struct trial trial = {.programs = WATCH_PROGRAMS_NONE, .file = -1, .code = MAP_FAILED};
    int status = make_code(&trial);
    if (status < 0) {
        error_set(error, -status, "cannot make code to try the kernel with: %s", strerror(-status));
    } else if ((status = load_programs(&trial, way, error)) == 0) {
        status = try_attached(&trial, way);
        if (status < 0)
            error_set(error, -status, "cannot attach to a probe: %s", strerror(-status));
    }
    tallies_close(trial.tallies, WATCH_COUNTS + 1);
    programs_done(&trial.programs);
    if (trial.code != MAP_FAILED)
        munmap(trial.code, trial.page);
    if (trial.file >= 0)
        close(trial.file);
    return status;
}

/* The programs know processes by their numbers in the initial namespace. */
static bool in_initial_namespace(void)
{
    struct stat status;
    return stat("/proc/self/ns/pid", &status) == 0 && (int)status.st_ino == INITIAL_PID_NAMESPACE;
}

/* Would a try that failed so work at another time, or for somebody else? */
static bool may_work(int status)
{
    return status == -EPERM || status == -ENOMEM || status == -EAGAIN || status == -EMFILE ||
           status == -ENFILE;
}

int attach_find_way(enum watch_way *way, struct probe_error *error)
{
    static const enum watch_way ways[] = {WATCH_MULTI, WATCH_PERF};
    struct probe_error reason = {0};
    if (!in_initial_namespace())
        return error_set(error, EOPNOTSUPP,
                         "probes can be watched only from the machine's first namespace of "
                         "processes, and not from a container's");
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        bool raised = ways[i] == WATCH_PERF && privilege_raise(CAP_SYS_ADMIN);
        int status = try_way(ways[i], &reason);
        privilege_lower(CAP_SYS_ADMIN, raised);
        if (status == 0) {
            *way = ways[i];
            return 0;
        }
        if (may_work(status))
            return error_set(error, -status, "%s", reason.text);
    }
    return error_set(error, EOPNOTSUPP, "this kernel cannot watch probes: %s", reason.text);
}

/* Finds it out once for all of ENGINE. */
static int find_way_once(struct probe_engine *engine, enum watch_way *way,
                         struct probe_error *error)
{
    int known = engine->watch_way;
    if (known == 0) {
        enum watch_way found = WATCH_MULTI;
        int status = attach_find_way(&found, error);
        if (status < 0)
            return status;
        known = (int)found;
        engine->watch_way = known;
        engine_log(engine, PROBE_LOG_INFO, "probes are watched by %s",
                   found == WATCH_MULTI ? "uprobe_multi links" : "perf events");
    }
    *way = (enum watch_way)known;
    return 0;
}

int attach_choose_way(struct probe_engine *engine, pid_t pid, pid_t tid, enum watch_way *way,
                      struct probe_error *error)
{
    enum watch_way known = WATCH_MULTI;
    int status = find_way_once(engine, &known, error);
    if (status < 0)
        return status;
    /* A uprobe_multi link never fires in a process whose main thread has ended. */
    *way = tid == pid ? known : WATCH_PERF;
    return 0;
}

int probe_watch_find_way(struct probe_engine *engine, enum probe_watch_way *result,
                         struct probe_error *error)
{
    enum watch_way way = WATCH_MULTI;
    int status = find_way_once(engine, &way, error);
    if (status == 0)
        *result = way == WATCH_MULTI ? PROBE_WATCH_MULTI : PROBE_WATCH_PERF;
    return status;
}
