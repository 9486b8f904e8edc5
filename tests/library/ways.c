/* SPDX-License-Identifier: MIT */
/*
 * ways PID PROGRAM NEW MEMORY
 *
 * Uses everything that the library offers, as doc/LIBRARY.md lists it, and believes nothing of what
 * the library says of memory: MEMORY is a command that prints `COUNTER SITES` of a probe, given a
 * pid and its name. PID runs PROGRAM, a demo with all probes off but `boot`; NEW is a program that
 * exits with 42 where the probe in its first instruction is on. Says what it did, a line each.
 */
#include "ocaml-probes.h"

#include <probe-engine.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

PROBE_DEFINE(own);

static pid_t pid;
static const char *program_path;
static const char *new_path;
static const char *memory_command;
static struct probe_engine *engine;
static struct probe_target *target;
static struct probe_error error;
static unsigned long logged;
static volatile unsigned int own_hits;

void probe_hit(const char *name)
{
    own_hits += strcmp(name, "own") == 0;
}

#define require(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            errx(1, "line %d: not so: %s (%s)", __LINE__, #condition, error.text);                 \
    } while (0)

/* What an independent reader finds: COUNTER SITES. */
static void expect(pid_t who, const char *name, const char *expected)
{
    char command[512];
    char found[64] = "";
    snprintf(command, sizeof(command), "%s %d %s", memory_command, (int)who, name);
    FILE *pipe = popen(command, "r");
    if (!pipe || !fgets(found, sizeof(found), pipe) || pclose(pipe) != 0)
        errx(1, "cannot run: %s", command);
    found[strcspn(found, "\n")] = '\0';
    if (strcmp(found, expected) != 0)
        errx(1, "memory of %s: '%s', and not '%s'", name, found, expected);
}

static int change_in(struct probe_target *which, const char *pattern, enum probe_action action,
                     unsigned int value)
{
    struct probe_update *update = NULL;
    require(probe_update_new(which, &update) == 0);
    ssize_t matched = probe_update_add_pattern(update, pattern, action, value, &error);
    int status = matched < 0 ? (int)matched : probe_update_apply(update, &error);
    probe_update_free(update);
    return status;
}

static int change(const char *pattern, enum probe_action action)
{
    return change_in(target, pattern, action, 0);
}

static void use_names(void)
{
    require(probe_target_count(target) == 5);
    require(strcmp(probe_target_name(target, 1), "gc_start") == 0);
    require(probe_target_find(target, "gc_start") == 1);
    require(probe_target_find(target, "none") == -ENOENT);
}

static void use_states(void)
{
    enum probe_state states[5];
    struct probe_snapshot *snapshot = NULL;
    const size_t request = (size_t)probe_target_find(target, "request");
    require(probe_target_states(target, NULL, 5, states, &error) == 0);
    require(states[0] == PROBE_ON && states[1] == PROBE_OFF);
    require(probe_state_join(states, 5) == PROBE_MIXED);
    require(probe_state_join(states + 1, 4) == PROBE_OFF);
    require(probe_snapshot_take(target, &request, 1, &snapshot, &error) == 0);
    require(probe_snapshot_site_count(snapshot, 0) == 3);
    require(strncmp(probe_snapshot_site(snapshot, 0, 0).arguments, "8@", 2) == 0);
    require(probe_snapshot_site(snapshot, 0, 0).state == PROBE_OFF);
    require(probe_snapshot_counter_count(snapshot, 0) == 1);
    require(probe_snapshot_counter(snapshot, 0, 0) == 0);
    require(probe_snapshot_state(snapshot, 0) == PROBE_OFF);
    probe_snapshot_free(snapshot);
}

static void use_all(void)
{
    require(change("*", PROBE_SWITCH_ON) == 0);
    expect(pid, "gc_stop", "1 on");
    require(change("*", PROBE_SWITCH_OFF) == 0);
    expect(pid, "gc_stop", "0 off");
    expect(pid, "boot", "0 off");
}

static void use_name(void)
{
    struct probe_update *update = NULL;
    require(probe_update_new(target, &update) == 0);
    require(probe_update_add(update, 2, PROBE_SWITCH_ON, 0, &error) == 0);
    require(probe_update_apply(update, &error) == 0);
    probe_update_free(update);
    expect(pid, "gc_stop", "1 on");
    expect(pid, "gc_start", "0 off");
    require(change("gc_stop", PROBE_SWITCH_OFF) == 0);
    require(change("none", PROBE_SWITCH_ON) == -ENOENT);
}

static void use_pair(void)
{
    require(change("gc_start,gc_stop", PROBE_SWITCH_ON) == 0);
    expect(pid, "gc_start", "1 on");
    expect(pid, "gc_stop", "1 on");
    expect(pid, "idle", "0 off");
    require(change("gc_start,gc_stop", PROBE_SWITCH_OFF) == 0);
}

static void use_patterns(void)
{
    require(change("gc_*", PROBE_SWITCH_ON) == 0);
    expect(pid, "gc_stop", "1 on");
    expect(pid, "idle", "0 off");
    require(change("~^(idle|gc_stop)$", PROBE_SWITCH_OFF) == 0);
    expect(pid, "gc_stop", "0 off");
    expect(pid, "gc_start", "1 on");
    require(change("*", PROBE_SWITCH_OFF) == 0);
    require(change("~(", PROBE_SWITCH_OFF) == -EINVAL);
}

static bool is_short(void *data, size_t index, const char *name)
{
    require(strcmp(name, probe_target_name(target, index)) == 0);
    return strlen(name) < *(size_t *)data;
}

static void use_predicate(void)
{
    struct probe_update *update = NULL;
    size_t length = 5;
    size_t none = 0;
    require(probe_update_new(target, &update) == 0);
    require(probe_update_add_if(update, is_short, &none, PROBE_SWITCH_ON, 0, &error) == -ENOENT);
    require(probe_update_add_if(update, is_short, &length, PROBE_SWITCH_ON, 0, &error) == 2);
    require(probe_update_apply(update, &error) == 0);
    probe_update_free(update);
    expect(pid, "boot", "1 on");
    expect(pid, "idle", "1 on");
    expect(pid, "request", "0 off");
    require(change("*", PROBE_SWITCH_OFF) == 0);
}

static void use_counts(void)
{
    struct probe_reference *reference = NULL;
    require(change("idle", PROBE_COUNT_ADD) == 0);
    require(probe_reference_take(target, 3, &reference, &error) == 0);
    expect(pid, "idle", "2 on");
    require(change("idle", PROBE_SWITCH_ON) == 0);
    expect(pid, "idle", "2 on");
    require(probe_reference_give(target, reference, &error) == 0);
    probe_reference_free(reference);
    expect(pid, "idle", "1 on");
    require(change("idle", PROBE_COUNT_SUBTRACT) == 0);
    expect(pid, "idle", "0 off");
    require(change("idle", PROBE_COUNT_SUBTRACT) == -ERANGE);
    require(change_in(target, "idle", PROBE_COUNT_SET, 300) == 0);
    expect(pid, "idle", "300 on");
}

static void use_force(void)
{
    require(change("idle", PROBE_SWITCH_OFF) == 0);
    expect(pid, "idle", "0 off");
}

static bool is_stopped(void)
{
    char path[64];
    char line[128];
    bool stopped = false;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *status = fopen(path, "re");
    while (status && fgets(line, sizeof(line), status))
        stopped = stopped || strncmp(line, "State:\tt", 8) == 0;
    if (status)
        fclose(status);
    return stopped;
}

static void use_stop(void)
{
    require(probe_target_stop(target, &error) == 0);
    require(is_stopped());
    require(change("gc_start", PROBE_SWITCH_ON) == 0);
    require(change("gc_stop", PROBE_SWITCH_ON) == 0);
    require(change("gc_start", PROBE_SWITCH_OFF) == 0);
    require(is_stopped());
    probe_target_resume(target);
    require(!is_stopped());
    expect(pid, "gc_start", "0 off");
    expect(pid, "gc_stop", "1 on");
    require(change("*", PROBE_SWITCH_OFF) == 0);
}

static void use_atomic(void)
{
    const struct probe_engine_options options = {.method = PROBE_METHOD_PTRACE};
    struct probe_engine *atomic = NULL;
    struct probe_target *same = NULL;
    require(probe_engine_new(&options, &atomic) == 0);
    require(probe_target_open(atomic, pid, PROBE_WRITE, &same, &error) == 0);
    require(change_in(same, "gc_*", PROBE_SWITCH_ON, 0) == 0);
    expect(pid, "gc_stop", "1 on");
    require(change_in(same, "gc_*", PROBE_SWITCH_OFF, 0) == 0);
    probe_target_close(same);
    probe_engine_free(atomic);
}

static void use_attach(void)
{
    struct probe_image image = PROBE_IMAGE_NONE;
    probe_target_detach(target);
    require(change("idle", PROBE_SWITCH_ON) == -EACCES);
    require(probe_target_check_program(target, program_path, &error) == -EBADF);
    require(probe_image_open(engine, pid, PROBE_WRITE, &image, &error) == 0);
    require(probe_target_attach(target, &image, &error) == 0);
    require(change("idle", PROBE_SWITCH_ON) == 0);
    expect(pid, "idle", "1 on");
    require(change("idle", PROBE_SWITCH_OFF) == 0);
}

static void use_program_check(void)
{
    require(probe_target_check_program(target, program_path, &error) == 0);
    require(probe_target_check_program(target, "/bin/sh", &error) == -ESTALE);
    require(strstr(error.text, program_path) && strstr(error.text, "/bin/sh"));
    require(probe_target_check_program(target, "/none", &error) == -ENOENT);
}

static void use_new_process(void)
{
    struct probe_program *program = NULL;
    struct probe_paused *paused = NULL;
    char *arguments[] = {(char *)new_path, NULL};
    int status = 0;
    require(probe_program_open(engine, new_path, NULL, &program, &error) == 0);
    require(probe_program_count(program) == 1);
    require(strcmp(probe_program_name(program, 0), "first") == 0);
    require(probe_program_match(program, "f*", &error) == 1);
    require(probe_paused_start(program, arguments, NULL, &paused, &error) == 0);
    pid_t child = probe_paused_pid(paused);
    require(change_in(probe_paused_target(paused), "first", PROBE_SWITCH_ON, 0) == 0);
    require(probe_paused_run_to_entry(paused, &error) == 0);
    probe_paused_release(paused);
    require(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 42);
    child = fork();
    if (child == 0) {
        const char *const patterns[] = {"first"};
        probe_launch_exec(program, arguments, NULL, patterns, 1, &error);
        _exit(1);
    }
    require(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 42);
    probe_program_close(program);
}

static __attribute__((noinline)) void pass(void)
{
    PROBE_SITE(own);
}

static void use_watch(void)
{
    struct probe_watch *watch = NULL;
    char lines[PROBE_WATCH_READ_MIN + 1];
    ssize_t got = 0;
    size_t index = (size_t)probe_target_find(target, "gc_start");
    require(probe_watch_new(target, NULL, 0, NULL, &watch, &error) == 0);
    require(probe_watch_count(watch) == 0);
    require(probe_watch_read(watch, lines, 1) == -EINVAL);
    require(probe_watch_add(watch, target, &index, 1, &error) > 0);
    require(probe_watch_add(watch, target, &index, 1, &error) == 0);
    require(probe_watch_count(watch) == 1);
    require(strcmp(probe_watch_name(watch, 0), "gc_start") == 0);
    /* It fires at each round of the program, on or off. */
    require(probe_watch_wait(watch, 30000) == 1);
    got = probe_watch_read(watch, lines, PROBE_WATCH_READ_MIN);
    require(got > 0);
    lines[got] = '\0';
    require(strstr(lines, " gc_start"));
    require(probe_watch_hits(watch, 0) > 0 && probe_watch_lost(watch) == 0);
    probe_watch_free(watch);
    expect(pid, "gc_start", "0 off");
}

static void use_self(void)
{
    const struct probe_engine_options options = {.method = PROBE_METHOD_SELF};
    struct probe_engine *self = NULL;
    struct probe_target *ours = NULL;
    require(probe_engine_new(&options, &self) == 0);
    require(probe_target_open(self, getpid(), PROBE_WRITE, &ours, &error) == 0);
    pass();
    require(own_hits == 0);
    require(change_in(ours, "own", PROBE_SWITCH_ON, 0) == 0);
    require(PROBE_ENABLED(own));
    pass();
    require(own_hits == 1);
    require(change_in(ours, "own", PROBE_SWITCH_OFF, 0) == 0);
    pass();
    require(own_hits == 1);
    probe_target_close(ours);
    require(probe_target_open(self, pid, PROBE_WRITE, &ours, &error) == 0);
    require(change_in(ours, "idle", PROBE_SWITCH_ON, 0) == -EINVAL);
    expect(pid, "idle", "0 off");
    probe_target_close(ours);
    probe_engine_free(self);
}

static void use_log(void)
{
    require(logged > 0);
}

static void count_sentence(void *data, enum probe_log_level level, const char *sentence)
{
    char start[32];
    snprintf(start, sizeof(start), "process %d: ", (int)pid);
    *(unsigned long *)data +=
        level == PROBE_LOG_DEBUG && strncmp(sentence, start, strlen(start)) == 0;
}

static const struct {
    const char *name;
    void (*use)(void);
} ways[] = {
    {"names", use_names},
    {"states", use_states},
    {"all", use_all},
    {"name", use_name},
    {"pair", use_pair},
    {"pattern", use_patterns},
    {"predicate", use_predicate},
    {"counted", use_counts},
    {"forced", use_force},
    {"atomic", use_atomic},
    {"by hand", use_stop},
    {"attach and detach", use_attach},
    {"expected program", use_program_check},
    {"new process", use_new_process},
    {"watch", use_watch},
    {"self", use_self},
    {"verbose log", use_log},
};

int main(int argc, char **argv)
{
    const struct probe_engine_options options = {
        .log = count_sentence,
        .log_data = &logged,
        .verbose = true,
    };
    if (argc != 5)
        errx(2, "usage: ways PID PROGRAM NEW MEMORY");
    pid = atoi(argv[1]);
    program_path = argv[2];
    new_path = argv[3];
    memory_command = argv[4];
    setvbuf(stdout, NULL, _IOLBF, 0);
    require(probe_engine_new(&options, &engine) == 0);
    require(probe_target_open(engine, pid, PROBE_WRITE, &target, &error) == 0);
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        ways[i].use();
        printf("%s\n", ways[i].name);
    }
    probe_target_close(target);
    probe_engine_free(engine);
    return 0;
}
