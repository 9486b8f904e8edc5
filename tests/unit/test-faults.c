/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out: whole sessions on a live process, in which one allocation after the other
 * fails. Each failure is an errno with a sentence; nothing has changed then, and nothing is lost.
 */
#include "unit.h"

#include "../faults/faults.h"
#include "process/maps.h"
#include "service/service.h"
#include "nodes/tree.h"
#include "common/waiting.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROBES = 5, ALLOCATIONS_MAX = 20000 };

static pid_t target;
static struct waiting *waiting;
static char states_before[PROBES + 1];

/* ---- the target -------------------------------------------------------------------------- */

static const char *target_path(void)
{
    static char path[PATH_MAX];
    const char *folder = getenv("TARGETS");
    if (!folder)
        fail_msg("TARGETS is not in the environment: run this with meson test");
    snprintf(path, sizeof(path), "%s/demo-ocaml_1", folder);
    return path;
}

static int start_target(void **state)
{
    (void)state;
    char *argv[] = {"demo", "-q", "-i", "100000", NULL};
    char line[64];
    int ends[2];
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    assert_int_equal(posix_spawn(&target, target_path(), &actions, NULL, argv, NULL), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    assert_true(read(ends[0], line, sizeof(line)) > 0); /* it says its pid */
    close(ends[0]);
    assert_int_equal(waiting_new(&waiting), 0);
    return 0;
}

static int stop_target(void **state)
{
    (void)state;
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
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
        status = probe_program_open(engine, target_path(), NULL, &program, error);
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

static int call(struct service *service, const struct request *request, const char *text,
                struct probe_error *error)
{
    struct call call = CALL_INIT;
    call.request = *request;
    call.in = text;
    call.in_length = text ? strlen(text) : 0;
    service_call(service, &call);
    free(call.out);
    /* The server learns of a hold also where there is no memory for what comes with it. */
    if (request->operation == OPERATION_HOLD_TAKE && !call.reply.error)
        assert_true(call.reply.is_held);
    if (call.reply.error) {
        *error = call.reply.sentence;
        if (!error->text[0]) /* the server says strerror() then */
            snprintf(error->text, sizeof(error->text), "%s", strerror(call.reply.error));
    }
    return -call.reply.error;
}

/* Nobody would see these fail: so they find memory. */
static int call_at_last(struct service *service, struct request *request, enum operation operation,
                        struct probe_error *error)
{
    int64_t left = atomic_exchange(&faults_of_process()->first, -1);
    request->operation = operation;
    int status = call(service, request, NULL, error);
    faults_of_process()->first = left;
    return status;
}

/* Opens a file, writes TEXT to it or reads it in two pieces, and closes it. */
static int use_file(struct service *service, const struct probe_image_id *id, enum place place,
                    const char *name, const char *text, struct probe_error *error)
{
    enum { PIECE = 4 };
    static uint64_t last_file;
    struct request request = {.operation = OPERATION_OPEN, .pid = target, .id = *id};
    request.kind = (unsigned int)tree_find(place, name);
    request.access = text ? PROBE_WRITE : PROBE_READ;
    request.file = ++last_file;
    if (place == PLACE_PROBE)
        strcpy(request.probe, "gc_start");
    int status = call(service, &request, NULL, error);
    if (status < 0)
        return status;
    request.operation = text ? OPERATION_WRITE : OPERATION_READ;
    request.size = PIECE;
    status = call(service, &request, text, error);
    request.offset = PIECE;
    request.size = 4096;
    if (status == 0 && !text)
        status = call(service, &request, NULL, error);
    int closed = call_at_last(service, &request, OPERATION_CLOSE, error);
    return status < 0 ? status : closed;
}

static int use_hold(struct service *service, const struct probe_image_id *id,
                    struct probe_error *error)
{
    struct request request = {.operation = OPERATION_HOLD_TAKE, .pid = target, .id = *id};
    request.access = PROBE_WRITE;
    request.file = 4711;
    strcpy(request.probe, "gc_start");
    int status = call(service, &request, NULL, error);
    int given = call_at_last(service, &request, OPERATION_HOLD_GIVE, error);
    return status < 0 ? status : given;
}

static int scan(struct service *service, const struct probe_image_id *id, struct probe_error *error)
{
    struct scan_entry entry = {.pid = target, .id = *id};
    struct call scanning = CALL_INIT;
    scanning.request.operation = OPERATION_SCAN;
    scanning.in = (const char *)&entry;
    scanning.in_length = sizeof(entry);
    service_call(service, &scanning);
    free(scanning.out);
    if (scanning.reply.error)
        snprintf(error->text, sizeof(error->text), "%s", strerror(scanning.reply.error));
    return -scanning.reply.error;
}

static int serve(struct probe_error *error)
{
    static const struct {
        enum place place;
        const char *name, *text;
    } uses[] = {
        {PLACE_PROCESS, "enabled", NULL},
        {PLACE_PROBE, "semaphore", NULL},
        {PLACE_PROBE, "sites", NULL},
        {PLACE_PROCESS, "info", NULL},
        {PLACE_PROCESS, "control", NULL},
        {PLACE_PROCESS, "exe", NULL},
        {PLACE_PROCESS, "error_log", NULL},
        {PLACE_PROBE, "hold", NULL},
        {PLACE_PROCESS, "control", "1 gc_start,gc_stop [b]oot i* request\n"},
    };
    const struct service_options options = {.method = PROBE_METHOD_VM, .waiting = waiting};
    struct service *service = NULL;
    struct probe_engine *engine = NULL;
    struct probe_image_id id = {0};
    int status = probe_engine_new(NULL, &engine);
    if (status == 0)
        status = probe_image_identify(engine, target, &id);
    if (status == 0)
        status = service_new(&options, &service);
    if (status < 0)
        strcpy(error->text, "no service");
    if (status == 0)
        status = scan(service, &id, error);
    if (status == 0)
        status = use_hold(service, &id, error);
    for (size_t i = 0; i < ARRAY_LENGTH(uses) && status == 0; i++)
        status = use_file(service, &id, uses[i].place, uses[i].name, uses[i].text, error);
    service_free(service);
    probe_engine_free(engine);
    return status;
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
    assert_int_equal(probe_survey_find(survey, child, &id, NULL), 0);
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
