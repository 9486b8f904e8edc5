/* SPDX-License-Identifier: MIT */
/* Who may be answered ESTALE, and who was already. */
#include "unit.h"

#include "fuse/stale.h"

#include "shared/clock.h"

/* How much time has passed that nobody waited for. */
static int64_t passed;

/* The linker's names. NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    int status = __real_clock_gettime(clock, time);
    *time = clock_add(*time, passed);
    return status;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void test_the_second_time(void **state)
{
    (void)state;
    assert_true(stale_may_answer(10, 1));
    assert_true(stale_may_answer(11, 1));
    assert_false(stale_may_answer(10, 1));
    assert_false(stale_may_answer(11, 1));
    /* That was the end of both requests: the next may be told once more. */
    assert_true(stale_may_answer(10, 1));
    stale_forget(10);
    assert_true(stale_may_answer(10, 1));
    stale_forget(10);
    stale_forget(11);
}

/* The first request may have ended in another way, in which nothing was opened. */
static void test_another_process(void **state)
{
    (void)state;
    assert_true(stale_may_answer(10, 1));
    assert_true(stale_may_answer(10, 2));
    assert_false(stale_may_answer(10, 2));
}

/* However long the second request takes, it was the second. */
static void test_a_request_that_takes_long(void **state)
{
    (void)state;
    assert_true(stale_may_answer(10, 1));
    stale_end(10);
    stale_begin(10);
    passed += 5 * CLOCK_SECOND / 2;
    assert_false(stale_may_answer(10, 1));
    /* But one that comes so late is another. */
    assert_true(stale_may_answer(10, 1));
    stale_end(10);
    passed += 5 * CLOCK_SECOND / 2;
    stale_begin(10);
    assert_true(stale_may_answer(10, 1));
}

static void test_callers_that_nobody_knows(void **state)
{
    (void)state;
    assert_false(stale_may_answer(0, 1));
    stale_forget(0);
}

/* More than anybody can remember: then it is ENOENT rather than an ESTALE that is seen. */
static void test_many_callers(void **state)
{
    (void)state;
    enum { CALLERS = 5000 };
    static bool told[CALLERS + 1];
    unsigned int count = 0;
    for (pid_t tid = 1; tid <= CALLERS; tid++)
        count += told[tid] = stale_may_answer(tid, 1);
    assert_in_range(count, 1000, CALLERS - 1);
    for (pid_t tid = 1; tid <= CALLERS; tid++) {
        if (told[tid])
            assert_false(stale_may_answer(tid, 1));
    }
    assert_true(stale_may_answer(CALLERS, 1));
    stale_forget(CALLERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_time),
        cmocka_unit_test(test_another_process),
        cmocka_unit_test(test_a_request_that_takes_long),
        cmocka_unit_test(test_callers_that_nobody_knows),
        cmocka_unit_test(test_many_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
