/* SPDX-License-Identifier: MIT */
/* Who waits for holds that were closed, and for how long. */
#include "unit.h"

#include "server/hold-list.h"
#include "shared/clock.h"

#include <errno.h>
#include <time.h>

/* More than anybody waits, and less than what nobody waits for. */
enum { LONG_SECONDS = 10, SHORT_SECONDS = 1 };

static struct hold_list held;

static int begin(void **state)
{
    (void)state;
    hold_list_init(&held);
    held.wait = 50 * CLOCK_MILLISECOND;
    return 0;
}

static int end(void **state)
{
    (void)state;
    hold_list_done(&held);
    return 0;
}

/* Waits, and returns with what; it has to take less than SECONDS. */
static int wait_within(int (*wait)(struct hold_list *held), time_t seconds)
{
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int status = wait(&held);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec < seconds);
    return status;
}

static void *release(void *data)
{
    (void)data;
    hold_list_end_release(&held, 0);
    return NULL;
}

static void test_released(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(hold_list_wait(&held), 0);
    hold_list_expect_release(&held);
    assert_int_equal(pthread_create(&thread, NULL, release, NULL), 0);
    assert_int_equal(hold_list_wait(&held), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_not_released(void **state)
{
    (void)state;
    hold_list_expect_release(&held);
    assert_int_equal(wait_within(hold_list_wait, LONG_SECONDS), -ETIMEDOUT);
    hold_list_end_release(&held, 0);
    assert_int_equal(hold_list_wait(&held), 0);
}

static void *release_in_vain(void *data)
{
    (void)data;
    hold_list_end_release(&held, -ETIMEDOUT);
    return NULL;
}

/* Behind one that was not answered nobody waits, until another was or all are done. */
static void test_hanging(void **state)
{
    (void)state;
    pthread_t thread;
    for (int i = 0; i < 4; i++)
        hold_list_expect_release(&held);
    assert_int_equal(pthread_create(&thread, NULL, release_in_vain, NULL), 0);
    assert_int_equal(hold_list_wait(&held), -ETIMEDOUT);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(wait_within(hold_list_wait, SHORT_SECONDS), -ETIMEDOUT);
    hold_list_end_release(&held, -ETIMEDOUT);
    hold_list_end_release(&held, -EIO);
    assert_int_equal(pthread_create(&thread, NULL, release, NULL), 0);
    assert_int_equal(hold_list_wait(&held), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* What was not answered is forgotten, once nothing waits any more. */
static void test_after_it_hung(void **state)
{
    (void)state;
    pthread_t thread;
    hold_list_expect_release(&held);
    hold_list_end_release(&held, -ETIMEDOUT);
    hold_list_expect_release(&held);
    assert_int_equal(pthread_create(&thread, NULL, release, NULL), 0);
    assert_int_equal(hold_list_wait(&held), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *lock_in_vain(void *data)
{
    *(int *)data = wait_within(hold_list_lock, LONG_SECONDS);
    return NULL;
}

static void test_locked(void **state)
{
    (void)state;
    pthread_t thread;
    int status = 0;
    assert_int_equal(hold_list_lock(&held), 0);
    assert_int_equal(pthread_create(&thread, NULL, lock_in_vain, &status), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(status, -ETIMEDOUT);
    pthread_mutex_unlock(&held.lock);
    assert_int_equal(hold_list_lock(&held), 0);
    pthread_mutex_unlock(&held.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_released, begin, end),
        cmocka_unit_test_setup_teardown(test_not_released, begin, end),
        cmocka_unit_test_setup_teardown(test_hanging, begin, end),
        cmocka_unit_test_setup_teardown(test_after_it_hung, begin, end),
        cmocka_unit_test_setup_teardown(test_locked, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
