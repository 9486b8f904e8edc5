/* SPDX-License-Identifier: MIT */
/* Who is waited for, and how long, after some did not answer. */
#include "unit.h"

#include "server/silence.h"

#include <errno.h>
#include <stdatomic.h>

enum { USER = 1000, OTHER = 1001 };

static struct silences silences;

static int begin(void **state)
{
    (void)state;
    return silences_init(&silences, CLOCK_SECOND);
}

static int end(void **state)
{
    (void)state;
    silences_done(&silences);
    return 0;
}

/* One request, which ends with STATUS; returns how long it might have waited. */
static int64_t request(struct silence *silence, uid_t user, int status)
{
    int64_t wait = silence_begin(&silences, silence, user);
    if (wait > 0)
        silence_end(&silences, silence, user, status);
    return wait;
}

/* The time until the next try passes. */
static void let_pass(struct silence *silence)
{
    silence->next = clock_now();
}

static void test_who_answers_is_waited_for(void **state)
{
    (void)state;
    struct silence silence = {.pause = 0};
    for (int i = 0; i < 10; i++)
        assert_int_equal(request(&silence, USER, 0), CLOCK_SECOND);
    assert_false(silence_is_on(&silence));
    assert_false(silence_is_fresh(&silences, USER));
}

static void test_who_does_not_answer_is_not_asked(void **state)
{
    (void)state;
    struct silence silence = {.pause = 0};
    struct silence another = {.pause = 0};
    assert_int_equal(request(&silence, USER, -ETIMEDOUT), CLOCK_SECOND);
    assert_true(silence_is_on(&silence));
    assert_true(silence_is_fresh(&silences, USER));
    assert_false(silence_is_fresh(&silences, OTHER));
    assert_int_equal(request(&silence, USER, 0), 0);
    assert_int_equal(request(&another, USER, 0), CLOCK_SECOND);
    assert_false(silence_is_fresh(&silences, USER)); /* one has answered */
}

/* After 1, 2, 4 ... 30 s. */
static void test_when_it_is_tried_again(void **state)
{
    (void)state;
    static const int64_t pauses[] = {1, 2, 4, 8, 16, 30, 30};
    struct silence silence = {.pause = 0};
    for (size_t i = 0; i < ARRAY_LENGTH(pauses); i++) {
        let_pass(&silence);
        assert_int_equal(request(&silence, USER, -ETIMEDOUT), CLOCK_SECOND);
        int64_t left = clock_left(&silence.next);
        assert_in_range(left, (pauses[i] - 1) * CLOCK_SECOND, pauses[i] * CLOCK_SECOND);
        assert_int_equal(request(&silence, USER, 0), 0);
    }
    let_pass(&silence);
    assert_int_equal(request(&silence, USER, 0), CLOCK_SECOND);
    assert_false(silence_is_on(&silence));
    /* The next silence is a new one. */
    request(&silence, USER, -ETIMEDOUT);
    assert_int_equal(silence.pause, CLOCK_SECOND);
}

/* Where the worker was stopped, once; who stops every worker is silent. */
static void test_a_worker_that_was_stopped(void **state)
{
    (void)state;
    struct silence silence = {.pause = 0};
    assert_int_equal(request(&silence, USER, -ESHUTDOWN), CLOCK_SECOND);
    assert_int_equal(request(&silence, USER, -ESHUTDOWN), CLOCK_SECOND);
    assert_int_equal(request(&silence, USER, -ESHUTDOWN), 0);
    assert_int_equal(silence.pause, CLOCK_SECOND);
}

/* The next worker is there for all who ask, not for the first of them alone. */
static void test_all_ask_after_a_stop(void **state)
{
    (void)state;
    struct silence silence = {.pause = 0};
    assert_int_equal(request(&silence, USER, -ESHUTDOWN), CLOCK_SECOND);
    assert_int_equal(silence_begin(&silences, &silence, USER), CLOCK_SECOND);
    assert_int_equal(silence_begin(&silences, &silence, USER), CLOCK_SECOND);
    silence_end(&silences, &silence, USER, -ESHUTDOWN);
    assert_int_equal(silence_begin(&silences, &silence, USER), 0);
    silence_end(&silences, &silence, USER, 0);
    assert_false(silence_is_on(&silence));
}

/* A worker that wanted time is no reason to blame what the target has mapped. */
static void test_a_worker_that_had_no_time(void **state)
{
    (void)state;
    const int reasons[] = {-ETIME, -EALREADY};
    for (size_t i = 0; i < 2; i++) {
        struct silence silence = {.pause = 0};
        assert_int_equal(request(&silence, USER, reasons[i]), CLOCK_SECOND);
        assert_false(silence_hangs(&silence));
        assert_int_equal(request(&silence, USER, reasons[i]), CLOCK_SECOND);
        assert_int_equal(request(&silence, USER, reasons[i]), 0);
        let_pass(&silence);
        assert_int_equal(request(&silence, USER, -ETIMEDOUT), CLOCK_SECOND);
        assert_true(silence_hangs(&silence));
        let_pass(&silence);
        assert_int_equal(request(&silence, USER, 0), CLOCK_SECOND);
    }
}

static void test_one_tries_at_a_time(void **state)
{
    (void)state;
    struct silence silence = {.pause = 0};
    request(&silence, USER, -ETIMEDOUT);
    let_pass(&silence);
    assert_int_equal(silence_begin(&silences, &silence, USER), CLOCK_SECOND);
    assert_int_equal(silence_begin(&silences, &silence, USER), 0);
    /* Its worker has died: nobody knows; the next may try at once. */
    silence_end(&silences, &silence, USER, -EIO);
    assert_true(silence_is_on(&silence));
    assert_int_equal(request(&silence, USER, 0), CLOCK_SECOND);
}

/* Requests that began together find the same silence. */
static void test_several_find_out_at_once(void **state)
{
    (void)state;
    struct silence silence = {.pause = 0};
    for (int i = 0; i < 5; i++)
        assert_int_equal(silence_begin(&silences, &silence, USER), CLOCK_SECOND);
    for (int i = 0; i < 5; i++) {
        /* Of the last of them it is known for the longest time that it is silent still. */
        let_pass(&silence);
        silence_end(&silences, &silence, USER, -ETIMEDOUT);
    }
    assert_int_equal(silence.pause, CLOCK_SECOND);
    assert_int_equal(request(&silence, USER, 0), 0);
    struct silence another = {.pause = 0};
    assert_int_equal(request(&another, USER, -ETIMEDOUT), CLOCK_SECOND);
}

/*
 * The first three of a user's cost a second each, what follows a tenth, others nothing; also where
 * a worker is not even started in a tenth of a second.
 */
static void test_a_user_with_many(void **state)
{
    (void)state;
    struct silence targets[12] = {{.pause = 0}};
    struct silence others = {.pause = 0};
    int64_t waited = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        for (int file = 0; file < 3; file++)
            waited += request(&targets[i], USER, i < 3 ? -ETIMEDOUT : -ETIME);
    }
    assert_int_equal(waited, 3 * CLOCK_SECOND + 9 * (CLOCK_SECOND / 10));
    assert_int_equal(request(&others, OTHER, 0), CLOCK_SECOND);
    /* A try of one of them is as short, and what it brings ends that for all. */
    let_pass(&targets[0]);
    assert_int_equal(request(&targets[0], USER, 0), (CLOCK_SECOND / 10));
    struct silence new = {.pause = 0};
    assert_int_equal(request(&new, USER, 0), CLOCK_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_answers_is_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(test_who_does_not_answer_is_not_asked, begin, end),
        cmocka_unit_test_setup_teardown(test_when_it_is_tried_again, begin, end),
        cmocka_unit_test_setup_teardown(test_a_worker_that_was_stopped, begin, end),
        cmocka_unit_test_setup_teardown(test_all_ask_after_a_stop, begin, end),
        cmocka_unit_test_setup_teardown(test_a_worker_that_had_no_time, begin, end),
        cmocka_unit_test_setup_teardown(test_one_tries_at_a_time, begin, end),
        cmocka_unit_test_setup_teardown(test_several_find_out_at_once, begin, end),
        cmocka_unit_test_setup_teardown(test_a_user_with_many, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
