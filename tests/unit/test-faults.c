/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out: whole sessions on a live process, in which one allocation after the other
 * fails. Each failure is an errno with a sentence; nothing has changed then, and nothing is lost.
 */
#include "demo-target.h"
#include "service-uses.h"
#include "unit.h"

#include "../faults/faults.h"
#include "process/maps.h"
#include "common/waiting.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROBES = 5, ALLOCATIONS_MAX = 20000 };

static pid_t target;
static struct waiting *waiting;
static char states_before[PROBES + 1];

/* ---- the target -------------------------------------------------------------------------- */

static int start_target(void **state)
{
    (void)state;
    target = demo_target_start();
    assert_int_equal(waiting_new(&waiting), 0);
    return 0;
}

static int stop_target(void **state)
{
    (void)state;
    demo_target_end(target);
    waiting_free(waiting);
    return 0;
}

/* ---- sessions ---------------------------------------------------------------------------- */

/* A session of its own on the target, with an engine that nothing is known to. */
static int change_all(enum probe_action action, enum probe_method method, struct probe_error *error)
{
    const struct probe_engine_options options = {.method = method};
    struct probe_engine *engine = NULL;
    struct probe_target *opened = NULL;
    struct probe_update *update = NULL;
    int status = probe_engine_new(&options, &engine);
    if (status < 0)
        strcpy(error->text, "no engine"); /* its errno says it all */
    if (status == 0)
        status = probe_target_open(engine, target, PROBE_WRITE, &opened, error);
    if (status == 0 && (status = probe_update_new(opened, &update)) < 0)
        strcpy(error->text, "no update");
    if (status == 0) {
        ssize_t matched = probe_update_add_pattern(update, "*", action, 0, error);
        status = matched < 0 ? (int)matched : 0;
    }
    if (status == 0)
        status = probe_update_apply(update, error);
    probe_update_free(update);
    probe_target_close(opened);
    probe_engine_free(engine);
    return status;
}

static int read_states(char text[PROBES + 1], struct probe_error *error)
{
    struct probe_engine *engine = NULL;
    struct probe_target *opened = NULL;
    enum probe_state states[PROBES];
    int status = probe_engine_new(NULL, &engine);
    if (status < 0)
        strcpy(error->text, "no engine");
    if (status == 0)
        status = probe_target_open(engine, target, PROBE_READ, &opened, error);
    if (status == 0 && probe_target_count(opened) != PROBES)
        fail_msg("there are %zu probes", probe_target_count(opened));
    if (status == 0)
        status = probe_target_states(opened, NULL, PROBES, states, error);
    for (size_t i = 0; i < PROBES && status == 0; i++)
        text[i] = "01X"[states[i]];
    text[PROBES] = '\0';
    probe_target_close(opened);
    probe_engine_free(engine);
    return status;
}

static void check_states(const char *expected)
{
    char text[PROBES + 1] = "";
    struct probe_error error = {.text = ""};
    if (read_states(text, &error) < 0)
        fail_msg("%s", error.text);
    assert_string_equal(text, expected);
}

static void all_off(void)
{
    struct probe_error error = {.text = ""};
    if (change_all(PROBE_SWITCH_OFF, PROBE_METHOD_VM, &error) < 0)
        fail_msg("%s", error.text);
    check_states("00000");
}

/* ---- faults ------------------------------------------------------------------------------ */

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* SESSION with the allocation FIRST and all up to COUNT behind it failing; says if one was. */
static bool run_once(int (*session)(struct probe_error *error), int64_t first, int64_t count)
{
    struct faults *faults = faults_of_process();
    struct probe_error error = {.text = ""};
    size_t descriptors = count_descriptors();
    int64_t live = faults->live;
    faults->hits = 0;
    faults->count = count;
    faults->first = first;
    int status = session(&error);
    faults->first = -1;
    bool hit = faults->hits > 0;
    if (status != 0 && (status != -ENOMEM || !hit || !error.text[0]))
        fail_msg("allocation %ld: %d, '%s'", (long)first, status, error.text);
    if (faults->live != live)
        fail_msg("allocation %ld: %ld are left", (long)first, (long)(faults->live - live));
    assert_int_equal(count_descriptors(), descriptors);
    check_states(status == 0 ? states_before : "00000");
    if (status == 0)
        all_off();
    return hit;
}

/* AFTER is what the states are where the session succeeds. */
static void run(int (*session)(struct probe_error *error), const char *after)
{
    int64_t first = 0;
    snprintf(states_before, sizeof(states_before), "%s", after);
    all_off();
    struct probe_error error = {.text = ""};
    if (session(&error) != 0) /* what is only allocated once has been after this */
        fail_msg("%s", error.text);
    all_off();
    assert_false(run_once(session, -1, 0));
    while (run_once(session, first, 1))
        first++;
    assert_true(first > 10 && first < ALLOCATIONS_MAX);
    for (int64_t from = 0; from < first; from += 7)
        assert_true(run_once(session, from, INT64_MAX));
}

/* ---- the engine -------------------------------------------------------------------------- */

static int switch_on(struct probe_error *error)
{
    return change_all(PROBE_SWITCH_ON, PROBE_METHOD_VM, error);
}

static int switch_on_stopped(struct probe_error *error)
{
    return change_all(PROBE_SWITCH_ON, PROBE_METHOD_PTRACE, error);
}

static int look(struct probe_error *error)
{
    char text[PROBES + 1];
    return read_states(text, error);
}

static void test_switching(void **state)
{
    (void)state;
    run(switch_on, "11111");
}

static void test_switching_stopped(void **state)
{
    (void)state;
    run(switch_on_stopped, "11111");
}

static void test_states(void **state)
{
    (void)state;
    run(look, "00000");
}

/* The start of a library that this process has loaded: its headers, which can be missed for a
 * moment.
 */
static struct mapping find_headers(const char *name)
{
    struct maps maps;
    struct mapping found = {0};
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(maps_read(fd, &maps), 0);
    close(fd);
    for (size_t i = 0; i < maps.count; i++) {
        if (maps.items[i].offset == 0 && strstr(maps.items[i].path, name))
            found = maps.items[i];
    }
    maps_done(&maps);
    assert_true(found.end > found.start);
    return found;
}

static struct mapping headers; /* of one of two libraries */

static void move_headers(void *from, void *to)
{
    size_t length = headers.end - headers.start;
    assert_ptr_not_equal(mremap(from, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, to),
                         MAP_FAILED);
}

/* Looks before and behind a change that shows in none of the mappings of code. */
static int look_again(struct probe_error *error)
{
    struct probe_engine *engine = NULL;
    struct probe_target *opened = NULL;
    size_t length = headers.end - headers.start;
    void *elsewhere = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int status = probe_engine_new(NULL, &engine);
    if (status < 0)
        strcpy(error->text, "no engine");
    if (status == 0)
        status = probe_target_open(engine, getpid(), PROBE_NAMES, &opened, error);
    if (status == 0) {
        move_headers((void *)headers.start, elsewhere);
        status = probe_target_look(opened, error);
        faults_of_process()->first = -1;
        assert_int_equal(probe_target_look(opened, NULL), 0);
        assert_int_equal(probe_target_count(opened), 1);
        move_headers(elsewhere, (void *)headers.start);
    }
    munmap(elsewhere, length);
    probe_target_close(opened);
    probe_engine_free(engine);
    return status;
}

static void *load(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", getenv("TARGETS"), name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail_msg("%s", dlerror());
    return library;
}

static void test_looking_again(void **state)
{
    (void)state;
    void *changed = load("libplug.so");
    void *other = load("libconstruct.so");
    headers = find_headers("/libplug.so");
    run(look_again, "00000");
    dlclose(changed);
    dlclose(other);
}

static int refer(struct probe_error *error)
{
    struct probe_engine *engine = NULL;
    struct probe_target *opened = NULL;
    struct probe_reference *reference = NULL;
    int status = probe_engine_new(NULL, &engine);
    if (status < 0)
        strcpy(error->text, "no engine");
    if (status == 0)
        status = probe_target_open(engine, target, PROBE_WRITE, &opened, error);
    if (status == 0)
        status = probe_reference_take(opened, 0, &reference, error);
    if (status == 0) {
        status = probe_reference_give(opened, reference, error);
        /* A reference that could not be given back can be given again. */
        if (status == -ENOMEM) {
            faults_of_process()->first = -1;
            assert_int_equal(probe_reference_give(opened, reference, NULL), 0);
        }
    }
    probe_reference_free(reference);
    probe_target_close(opened);
    probe_engine_free(engine);
    return status;
}

static void test_references(void **state)
{
    (void)state;
    run(refer, "00000");
}

static int open_program(struct probe_error *error)
{
    struct probe_engine *engine = NULL;
    struct probe_program *program = NULL;
    int status = probe_engine_new(NULL, &engine);
    if (status < 0)
        strcpy(error->text, "no engine");
    if (status == 0)
        status = probe_program_open(engine, demo_target_path(), NULL, &program, error);
    if (status == 0)
        assert_int_equal(probe_program_count(program), PROBES);
    probe_program_close(program);
    probe_engine_free(engine);
    return status;
}

static void test_programs(void **state)
{
    (void)state;
    run(open_program, "00000");
}

/* ---- the service ------------------------------------------------------------------------- */

/* What nobody would see fail finds memory. */
static void find_memory(bool always)
{
    static int64_t left;
    if (always)
        left = atomic_exchange(&faults_of_process()->first, -1);
    else
        faults_of_process()->first = left;
}

static int serve(struct probe_error *error)
{
    const struct service_use use = {target, waiting, find_memory, PROBE_METHOD_VM};
    return service_use_all(&use, error);
}

static void test_service(void **state)
{
    (void)state;
    run(serve, "11111");
}

/* A process of its own is found, and ends. */
static void find_one(struct probe_engine *engine, struct probe_survey *survey)
{
    struct probe_image_id id;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pause();
        _exit(0);
    }
    assert_int_equal(probe_image_identify(engine, child, &id), 0);
    assert_int_equal(probe_survey_find(survey, child, &id, NULL, NULL), 0);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* What a survey keeps of processes that have ended does not become more with them. */
static void test_surveying_many(void **state)
{
    enum { SOME = 8, MANY = 64 };
    struct probe_engine *engine = NULL;
    struct probe_survey *survey = NULL;
    int64_t live[2] = {0, 0};
    (void)state;
    assert_int_equal(probe_engine_new(NULL, &engine), 0);
    assert_int_equal(probe_survey_new(engine, &survey), 0);
    for (int i = 0; i < MANY; i++) {
        find_one(engine, survey);
        live[i >= SOME] = faults_of_process()->live;
    }
    assert_true(live[1] <= live[0] + 2);
    probe_survey_free(survey);
    probe_engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),     cmocka_unit_test(test_looking_again),
        cmocka_unit_test(test_switching),  cmocka_unit_test(test_switching_stopped),
        cmocka_unit_test(test_references), cmocka_unit_test(test_programs),
        cmocka_unit_test(test_service),    cmocka_unit_test(test_surveying_many),
    };
    return cmocka_run_group_tests(tests, start_target, stop_target);
}
