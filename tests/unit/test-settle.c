/* SPDX-License-Identifier: MIT */
/* What is attempted while objects come and go: this process loads and unloads a library. */
#include "unit.h"

#include "error.h"
#include "probe-engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct probe_engine *engine;
static struct probe_target *target;

/* Loads the library if it is not, and unloads it if it is. */
static void turn_library(void)
{
    static void *library;
    char path[PATH_MAX];
    if (library) {
        assert_int_equal(dlclose(library), 0);
        library = NULL;
        return;
    }
    snprintf(path, sizeof(path), "%s/libplug.so", getenv("TARGETS"));
    library = dlopen(path, RTLD_NOW);
    assert_non_null(library);
}

/* What an attempt does, and how often it did. */
struct script {
    int turns;  /* so many attempts meet other objects */
    int status; /* of all attempts but the last */
    int last;
    int attempts;
};

static int attempt_script(void *data, struct probe_error *error)
{
    struct script *script = data;
    script->attempts++;
    if (script->attempts <= script->turns)
        turn_library();
    int status = script->attempts <= script->turns ? script->status : script->last;
    return status < 0 ? error_set(error, -status, "attempt %d", script->attempts) : status;
}

static int open_self(void **state)
{
    (void)state;
    assert_int_equal(probe_engine_new(NULL, &engine), 0);
    assert_int_equal(probe_target_open(engine, getpid(), PROBE_NAMES, &target, NULL), 0);
    return 0;
}

static int close_self(void **state)
{
    (void)state;
    probe_target_close(target);
    probe_engine_free(engine);
    return 0;
}

static void test_attempts_end_when_objects_stay(void **state)
{
    (void)state;
    static const struct {
        struct script script;
        int status, attempts;
    } rows[] = {
        {{.last = 0}, 0, 1},
        {{.last = 7}, 7, 1},
        {{.last = -EINVAL}, -EINVAL, 1},
        {{.last = -EAGAIN}, -EAGAIN, 1},
        {{.turns = 1, .status = -EAGAIN, .last = 3}, 3, 2},
        {{.turns = 3, .status = -EFAULT, .last = 0}, 0, 4},
        {{.turns = 2, .status = -ENOENT, .last = -ERANGE}, -ERANGE, 3},
        /* What succeeded is not attempted again. */
        {{.turns = 1, .status = 5, .last = -EINVAL}, 5, 1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct script script = rows[i].script;
        struct probe_error error = {.text = ""};
        int status = probe_target_settle(target, attempt_script, &script, &error);
        assert_int_equal(status, rows[i].status);
        assert_int_equal(script.attempts, rows[i].attempts);
        if (status < 0)
            assert_sentence(error, "attempt");
        assert_int_equal(probe_target_settle(target, attempt_script, &(struct script){0}, NULL), 0);
    }
}

static void test_attempts_are_bounded(void **state)
{
    (void)state;
    struct script script = {.turns = INT_MAX, .status = -EAGAIN};
    assert_int_equal(probe_target_settle(target, attempt_script, &script, NULL), -EAGAIN);
    assert_in_range(script.attempts, 2, 50);
}

static void test_a_process_that_has_gone_comes_first(void **state)
{
    (void)state;
    struct probe_target *ended = NULL;
    struct probe_error error;
    struct script script = {.last = -EINVAL};
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_true(pid > 0);
    struct probe_image_id id;
    assert_int_equal(probe_image_identify(engine, pid, &id), 0);
    assert_int_equal(probe_image_confirm(engine, pid, &id), 0);
    assert_int_equal(probe_image_confirm(engine, getpid(), &id), -ESRCH);
    assert_int_equal(probe_target_open(engine, pid, PROBE_NAMES, &ended, &error), 0);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(probe_image_confirm(engine, pid, &id), -ESRCH);
    assert_int_equal(probe_target_settle(ended, attempt_script, &script, &error), -ESRCH);
    assert_int_equal(script.attempts, 1);
    assert_sentence(error, "has ended or replaced its program");
    probe_target_close(ended);
}

static void test_a_target_takes_the_image_that_is_expected(void **state)
{
    (void)state;
    struct probe_target *expecting = NULL;
    struct probe_image image;
    struct probe_image_id id;
    struct probe_error error;
    assert_int_equal(probe_image_identify(engine, getpid(), &id), 0);
    assert_int_equal(probe_target_new(engine, &expecting), 0);
    probe_target_expect(expecting, getpid(), &id);
    assert_int_equal(probe_target_pid(expecting), getpid());
    assert_int_equal(probe_image_open(engine, getpid(), PROBE_NAMES, &image, &error), 0);
    assert_int_equal(probe_target_attach(expecting, &image, &error), 0);
    id.start_time++;
    probe_target_detach(expecting);
    probe_target_expect(expecting, getpid(), &id);
    assert_int_equal(probe_image_open(engine, getpid(), PROBE_NAMES, &image, &error), 0);
    assert_int_equal(probe_target_attach(expecting, &image, &error), -ESRCH);
    assert_int_equal(image.maps, -1);
    assert_sentence(error, "has ended or replaced its program");
    probe_target_close(expecting);
}

static void test_a_reason_is_of_one_failure(void **state)
{
    (void)state;
    struct probe_error error;
    assert_int_equal(error_because(&error, PROBE_REASON_TRACED, error_set(&error, EBUSY, "busy")),
                     -EBUSY);
    assert_int_equal(error.reason, PROBE_REASON_TRACED);
    assert_int_equal(error_gone(&error, 1), -ESRCH);
    assert_int_equal(error.reason, PROBE_REASON_NONE);
    assert_int_equal(error_because(NULL, PROBE_REASON_TRACED, -EBUSY), -EBUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_attempts_end_when_objects_stay, open_self, close_self),
        cmocka_unit_test_setup_teardown(test_attempts_are_bounded, open_self, close_self),
        cmocka_unit_test_setup_teardown(test_a_process_that_has_gone_comes_first, open_self,
                                        close_self),
        cmocka_unit_test_setup_teardown(test_a_target_takes_the_image_that_is_expected, open_self,
                                        close_self),
        cmocka_unit_test(test_a_reason_is_of_one_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
