/* SPDX-License-Identifier: MIT */
/*
 * Probes without a semaphore, of a process that runs: not shown unless a client asks for them, and
 * never switched. TARGETS in the environment is where the programs are.
 */
#include "unit.h"

#include "object-file.h"

#include "target/target.h"
#include "watch/plan-to-watch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process of one of the targets, and what an engine shows of it. */
struct session {
    pid_t pid;
    struct probe_engine *engine;
    struct probe_target *target;
};

static pid_t start_program(const char *name)
{
    char path[PATH_MAX];
    char *argv[] = {(char *)name, "-q", "-i", "100000", NULL};
    char line[64];
    int ends[2];
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    snprintf(path, sizeof(path), "%s/%s", from_environment("TARGETS"), name);
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    assert_int_equal(posix_spawn(&pid, path, &actions, NULL, argv, NULL), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    assert_true(read(ends[0], line, sizeof(line)) > 0); /* it says its pid */
    close(ends[0]);
    return pid;
}

static struct session session_begin(const char *name, bool all)
{
    const struct probe_engine_options options = {.all = all};
    struct session session = {.pid = start_program(name)};
    struct probe_error error = {.text = ""};
    assert_int_equal(probe_engine_new(&options, &session.engine), 0);
    if (probe_target_open(session.engine, session.pid, PROBE_WRITE, &session.target, &error) < 0)
        fail_msg("%s", error.text);
    return session;
}

static void session_end(struct session *session)
{
    probe_target_close(session->target);
    probe_engine_free(session->engine);
    kill(session->pid, SIGKILL);
    waitpid(session->pid, NULL, 0);
}

static void test_it_is_told_and_not_shown(void **state)
{
    (void)state;
    struct session session = session_begin("watched", false);
    enum probe_state joined = PROBE_MIXED;
    assert_int_equal(probe_target_count(session.target), 0);
    assert_non_null(strstr(probe_target_problem(session.target, 0), "'web:silent'"));
    assert_int_equal(probe_target_state(session.target, &joined, NULL), 0);
    assert_int_equal(joined, PROBE_OFF);
    session_end(&session);
}

static void test_it_is_shown_to_whoever_asks(void **state)
{
    (void)state;
    struct session session = session_begin("watched", true);
    struct probe_snapshot *snapshot = NULL;
    struct probe_error error = {.text = ""};
    enum probe_state joined = PROBE_MIXED;
    ssize_t index = probe_target_find(session.target, "web:silent");
    assert_true(index >= 0);
    assert_false(probe_target_is_switchable(session.target, (size_t)index));
    for (size_t i = 0; probe_target_problem(session.target, i); i++)
        assert_null(strstr(probe_target_problem(session.target, i), "'web:silent'"));

    const size_t indices[] = {(size_t)index};
    assert_int_equal(probe_snapshot_take(session.target, indices, 1, &snapshot, &error), 0);
    assert_int_equal(probe_snapshot_state(snapshot, 0), PROBE_WATCH_ONLY);
    assert_int_equal(probe_snapshot_counter_count(snapshot, 0), 0);
    assert_int_equal(probe_snapshot_site_count(snapshot, 0), 1);
    assert_int_equal(probe_snapshot_site(snapshot, 0, 0).state, PROBE_WATCH_ONLY);
    probe_snapshot_free(snapshot);
    assert_int_equal(probe_target_state(session.target, &joined, &error), 0);
    assert_int_equal(joined, PROBE_OFF);
    session_end(&session);
}

/* Its files have gone with it, and are not to blame. */
static void test_a_watch_of_what_has_ended(void **state)
{
    (void)state;
    struct session session = session_begin("watched", true);
    struct watch_table table = {0};
    struct watch_plan plan;
    struct probe_error error = {.text = ""};
    const size_t indices[] = {0};
    kill(session.pid, SIGKILL);
    waitpid(session.pid, NULL, 0);
    assert_int_equal(watch_plan_make(session.target, indices, 1, &table, &plan, &error), -ESRCH);
    assert_sentence(error, "has ended");
    watch_table_done(&table);
    session.pid = start_program("watched"); /* for the end */
    session_end(&session);
}

static void test_it_is_never_switched(void **state)
{
    (void)state;
    struct session session = session_begin("sdt", true);
    struct probe_update *update = NULL;
    struct probe_reference *reference = NULL;
    struct probe_error error = {.text = ""};
    ssize_t index = probe_target_find(session.target, "web:silent");
    assert_true(index >= 0);
    assert_int_equal(probe_update_new(session.target, &update), 0);
    assert_int_equal(probe_update_add(update, (size_t)index, PROBE_SWITCH_ON, 0, &error), -EINVAL);
    assert_sentence(error, "no semaphore");
    static const char *const patterns[] = {"web:silent", "web:s*", "~silent",
                                           "web:silent,web:query", "web:query,web:silent"};
    for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++) {
        error.text[0] = '\0';
        if (probe_update_add_pattern(update, patterns[i], PROBE_SWITCH_ON, 0, &error) != -ENOENT)
            fail_msg("%s: %s", patterns[i], error.text);
        assert_sentence(error, "'web:silent' has no semaphore");
    }
    probe_update_free(update);
    assert_int_equal(probe_reference_take(session.target, (size_t)index, &reference, &error),
                     -EINVAL);
    session_end(&session);
}

static void test_the_others_are_switched(void **state)
{
    (void)state;
    struct session session = session_begin("sdt", true);
    struct probe_update *update = NULL;
    struct probe_error error = {.text = ""};
    size_t count = 0;
    for (size_t i = 0; i < probe_target_count(session.target); i++)
        count += probe_target_is_switchable(session.target, i);
    assert_int_equal(count, 5);
    assert_int_equal(probe_update_new(session.target, &update), 0);
    assert_int_equal(probe_update_add_pattern(update, "web:*", PROBE_SWITCH_ON, 0, &error), 5);
    if (probe_update_apply(update, &error) < 0)
        fail_msg("%s", error.text);
    probe_update_free(update);

    enum probe_state states[16];
    enum probe_state joined = PROBE_MIXED;
    const size_t all = probe_target_count(session.target);
    assert_true(all <= ARRAY_LENGTH(states));
    assert_int_equal(probe_target_states(session.target, NULL, all, states, &error), 0);
    for (size_t i = 0; i < all; i++)
        assert_int_equal(
            states[i], probe_target_is_switchable(session.target, i) ? PROBE_ON : PROBE_WATCH_ONLY);
    assert_int_equal(probe_state_join(states, all), PROBE_ON);
    assert_int_equal(probe_target_state(session.target, &joined, &error), 0);
    assert_int_equal(joined, PROBE_ON);
    session_end(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_told_and_not_shown),
        cmocka_unit_test(test_it_is_shown_to_whoever_asks),
        cmocka_unit_test(test_a_watch_of_what_has_ended),
        cmocka_unit_test(test_it_is_never_switched),
        cmocka_unit_test(test_the_others_are_switched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
