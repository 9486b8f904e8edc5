/* SPDX-License-Identifier: MIT */
/* Who waits for holds that were closed, and for how long. */
#include "unit.h"

#include "server/hold-list.h"

#include <errno.h>
#include <time.h>

/* More than anybody waits, and less than what nobody waits for. */
enum { LONG_SECONDS = 10, SHORT_SECONDS = 1 };

static struct held held;

static int begin(void **state)
{
    (void)state;
    held_init(&held);
    return 0;
}

static int end(void **state)
{
    (void)state;
    held_done(&held);
    return 0;
}

/* Waits, and returns with what; it has to take less than SECONDS. */
static int wait_within(int (*wait)(struct held *held), time_t seconds)
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
    held_end_release(&held, 0);
    return NULL;
}

static void test_released(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(held_wait(&held), 0);
    held_expect_release(&held);
    assert_int_equal(pthread_create(&thread, NULL, release, NULL), 0);
    assert_int_equal(held_wait(&held), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_not_released(void **state)
{
    (void)state;
    held_expect_release(&held);
    assert_int_equal(wait_within(held_wait, LONG_SECONDS), -ETIMEDOUT);
    held_end_release(&held, 0);
    assert_int_equal(held_wait(&held), 0);
}

static void *release_in_vain(void *data)
{
    (void)data;
    held_end_release(&held, -ETIMEDOUT);
    return NULL;
}

/* Behind one that was not answered nobody waits, until another was or all are done. */
static void test_hanging(void **state)
{
    (void)state;
    pthread_t thread;
    for (int i = 0; i < 4; i++)
        held_expect_release(&held);
    assert_int_equal(pthread_create(&thread, NULL, release_in_vain, NULL), 0);
    assert_int_equal(held_wait(&held), -ETIMEDOUT);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(wait_within(held_wait, SHORT_SECONDS), -ETIMEDOUT);
    held_end_release(&held, -ETIMEDOUT);
    held_end_release(&held, -EIO);
    assert_int_equal(pthread_create(&thread, NULL, release, NULL), 0);
    assert_int_equal(held_wait(&held), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* What was not answered is forgotten, once nothing waits any more. */
static void test_after_it_hung(void **state)
{
    (void)state;
    pthread_t thread;
    held_expect_release(&held);
    held_end_release(&held, -ETIMEDOUT);
    held_expect_release(&held);
    assert_int_equal(pthread_create(&thread, NULL, release, NULL), 0);
    assert_int_equal(held_wait(&held), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *lock_in_vain(void *data)
{
    *(int *)data = wait_within(held_lock, LONG_SECONDS);
    return NULL;
}

static void test_locked(void **state)
{
    (void)state;
    pthread_t thread;
    int status = 0;
    assert_int_equal(held_lock(&held), 0);
    assert_int_equal(pthread_create(&thread, NULL, lock_in_vain, &status), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(status, -ETIMEDOUT);
    pthread_mutex_unlock(&held.lock);
    assert_int_equal(held_lock(&held), 0);
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
