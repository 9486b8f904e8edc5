/* SPDX-License-Identifier: MIT */
/*
 * An engine that was built without the programs that watch probes (-Dwatch=disabled): it says so
 * when it is asked to watch. This test is linked with what such a build has in their place.
 */
#include "unit.h"

#include "demo-target.h"

#include "watch/programs.h"

#include <errno.h>

static void test_watching_is_refused(void **state)
{
    (void)state;
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    struct probe_watch *watch = NULL;
    struct probe_error error = {0};
    pid_t pid = demo_target_start();
    assert_int_equal(probe_engine_new(NULL, &engine), 0);
    assert_int_equal(probe_target_open(engine, pid, PROBE_WRITE, &target, &error), 0);
    const size_t first = 0;
    assert_int_equal(probe_watch_new(target, &first, 1, NULL, &watch, &error), -EOPNOTSUPP);
    assert_null(watch);
    /* A container is refused before. */
    assert_true(strstr(error.text, "built without") || strstr(error.text, "namespace"));
    /* All else works. */
    enum probe_state now = PROBE_MIXED;
    assert_int_equal(probe_target_states(target, &first, 1, &now, &error), 0);
    assert_int_not_equal(now, PROBE_MIXED);
    probe_target_close(target);
    probe_engine_free(engine);
    demo_target_end(pid);
}

static void test_nothing_is_loaded(void **state)
{
    (void)state;
    struct watch_programs programs = WATCH_PROGRAMS_NONE;
    struct probe_error error = {0};
    const struct programs_wanted wanted = {.pid = 1, .way = WATCH_MULTI};
    assert_int_equal(programs_load(&wanted, &programs, &error), -EOPNOTSUPP);
    assert_non_null(strstr(error.text, "built without the programs"));
    programs_done(&programs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watching_is_refused),
        cmocka_unit_test(test_nothing_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
