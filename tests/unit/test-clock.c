/* SPDX-License-Identifier: MIT */
#include "shared/clock.h"
#include "unit.h"

static void test_adding_carries_into_seconds(void **state)
{
    (void)state;
    static const struct {
        struct timespec time;
        int64_t duration;
        struct timespec sum;
    } rows[] = {
        {{5, 0}, 0, {5, 0}},
        {{5, 999999999}, 1, {6, 0}},
        {{5, 999999998}, 1, {5, 999999999}},
        {{5, 600000000}, 850 * CLOCK_MILLISECOND, {6, 450000000}},
        {{5, 999999999}, 3 * CLOCK_SECOND + 999999999, {9, 999999998}},
        {{5, 1}, 90 * CLOCK_SECOND, {95, 1}},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct timespec sum = clock_add(rows[i].time, rows[i].duration);
        assert_int_equal(sum.tv_sec, rows[i].sum.tv_sec);
        assert_int_equal(sum.tv_nsec, rows[i].sum.tv_nsec);
        assert_int_equal(clock_between(&rows[i].time, &sum), rows[i].duration);
        assert_int_equal(clock_between(&sum, &rows[i].time), -rows[i].duration);
    }
}

static void test_deadlines_pass(void **state)
{
    (void)state;
    const struct timespec now = clock_now();
    const struct timespec soon = clock_after(CLOCK_SECOND);
    assert_true(clock_is_past(&now));
    assert_false(clock_is_past(&soon));
    int64_t left = clock_left(&soon);
    assert_true(left > 0 && left <= CLOCK_SECOND);
}

static void test_poll_waits_until_the_deadline_and_not_less(void **state)
{
    (void)state;
    const struct timespec past = clock_now();
    const struct timespec soon = clock_after(CLOCK_MILLISECOND / 2);
    const struct timespec far = clock_after(100 * INT64_C(86400) * CLOCK_SECOND);
    assert_int_equal(clock_poll_timeout(NULL), -1);
    assert_int_equal(clock_poll_timeout(&past), 0);
    assert_in_range(clock_poll_timeout(&soon), 0, 1);
    assert_int_equal(clock_poll_timeout(&far), INT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adding_carries_into_seconds),
        cmocka_unit_test(test_deadlines_pass),
        cmocka_unit_test(test_poll_waits_until_the_deadline_and_not_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
