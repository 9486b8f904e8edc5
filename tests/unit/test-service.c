/* SPDX-License-Identifier: MIT */
/* The files of a process as its user's worker serves them, for memcheck to look at. */
#include "demo-target.h"
#include "service-uses.h"
#include "unit.h"

#include "common/waiting.h"

static struct waiting *waiting;

/* All states of the target, in the order of the names. */
static void check_states(pid_t pid, const char *expected)
{
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    struct probe_error error = {.text = ""};
    assert_int_equal(probe_engine_new(NULL, &engine), 0);
    assert_int_equal(probe_target_open(engine, pid, PROBE_READ, &target, &error), 0);
    assert_int_equal(probe_target_count(target), strlen(expected));
    for (size_t i = 0; expected[i]; i++) {
        enum probe_state state = PROBE_MIXED;
        assert_int_equal(probe_target_states(target, &i, 1, &state, &error), 0);
        assert_int_equal(state, expected[i] == '1' ? PROBE_ON : PROBE_OFF);
    }
    probe_target_close(target);
    probe_engine_free(engine);
}

static void check_method(enum probe_method method)
{
    struct probe_error error = {.text = ""};
    const struct service_use use = {
        .target = demo_target_start(), .waiting = waiting, .method = method};
    int status = service_use_all(&use, &error);
    if (status < 0)
        fail_msg("%s", error.text);
    check_states(use.target, "11111");
    demo_target_end(use.target);
}

static void test_without_a_stop(void **state)
{
    (void)state;
    check_method(PROBE_METHOD_VM);
}

static void test_with_a_stop(void **state)
{
    (void)state;
    check_method(PROBE_METHOD_PTRACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_stop),
        cmocka_unit_test(test_with_a_stop),
    };
    if (waiting_new(&waiting) < 0)
        return 1;
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    waiting_free(waiting);
    return status;
}
