/* SPDX-License-Identifier: MIT */
/* Files that take long to read, or for ever: what whoever waits for them is told, and when. */
#include "unit.h"

#include "object/readings.h"
#include "shared/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define SHORT (20 * CLOCK_MILLISECOND)
#define LONG  (20 * CLOCK_SECOND)

/* What the threads that read do until they are told to end. */
enum deed { WORK, HANG, WORK_NOW_AND_THEN };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct readings readings;
static _Atomic enum deed deed;
static bool may_end; /* guarded by: */
static pthread_mutex_t end_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static atomic_int result;
static atomic_uint begun;
static int file;

static void let_end(bool may)
{
    pthread_mutex_lock(&end_lock);
    may_end = may;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&end_lock);
}

/* What hangs uses no processor time at all. */
static bool is_to_end(void)
{
    pthread_mutex_lock(&end_lock);
    while (!may_end && atomic_load(&deed) == HANG)
        pthread_cond_wait(&changed, &end_lock);
    bool is = may_end;
    pthread_mutex_unlock(&end_lock);
    return is;
}

static int read_until_told(void *data, const struct file_key *key, int fd,
                           struct probe_error *error)
{
    (void)data, (void)key;
    assert_true(fcntl(fd, F_GETFD) >= 0);
    atomic_fetch_add(&begun, 1);
    while (!is_to_end()) {
        if (atomic_load(&deed) == WORK_NOW_AND_THEN)
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    int status = atomic_load(&result);
    return status < 0 ? error_set(error, -status, "it failed") : 0;
}

static int begin(void **state)
{
    (void)state;
    readings_init(&readings, &lock, read_until_told, NULL);
    file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    deed = WORK;
    let_end(false);
    result = 0;
    begun = 0;
    return file < 0 ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    let_end(true);
    readings_done(&readings);
    close(file);
    return 0;
}

static struct file_key key_of(ino_t inode, off_t size)
{
    struct file_key key;
    memset(&key, 0, sizeof(key));
    key.inode = inode;
    key.size = size;
    return key;
}

/* Asks for file INODE for WAIT nanoseconds, as its cache does, until there is an answer. */
static int ask(ino_t inode, off_t size, int64_t wait, struct probe_error *error)
{
    const struct file_key key = key_of(inode, size);
    const struct timespec until = clock_after(wait);
    int status = 0;
    pthread_mutex_lock(&lock);
    /* The first begins it, the second waits for it. */
    for (int i = 0; i < 2 && status == 0; i++)
        status = readings_make(&readings, &key, file, &until, error);
    pthread_mutex_unlock(&lock);
    return status;
}

static void wait_for_end(void)
{
    pthread_mutex_lock(&lock);
    while (readings.list)
        pthread_cond_wait(&readings.done, &lock);
    pthread_mutex_unlock(&lock);
}

/* A thread may have begun, and not come so far yet. */
static void expect_begun(unsigned int count)
{
    const struct timespec until = clock_after(LONG);
    while (begun < count && !clock_is_past(&until))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(begun, count);
}

static void test_long(void **state)
{
    (void)state;
    assert_int_equal(ask(1, 0, SHORT, NULL), -EINPROGRESS);
    assert_int_equal(ask(1, 0, SHORT, NULL), -EINPROGRESS);
    expect_begun(1);
    /* Others are read meanwhile. */
    assert_int_equal(ask(2, 0, SHORT, NULL), -EINPROGRESS);
    expect_begun(2);
}

static void *end_soon(void *data)
{
    const struct timespec *until = data;
    while (!clock_is_past(until))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    let_end(true);
    return NULL;
}

/* Who waits for it goes on as soon as it is read. */
static void test_long_until_it_is_read(void **state)
{
    (void)state;
    pthread_t thread;
    const struct timespec start = clock_now();
    struct timespec soon = clock_after(10 * SHORT);
    assert_int_equal(ask(1, 0, SHORT, NULL), -EINPROGRESS);
    assert_int_equal(pthread_create(&thread, NULL, end_soon, &soon), 0);
    assert_int_equal(ask(1, 0, LONG, NULL), 0);
    const struct timespec now = clock_now();
    assert_true(clock_between(&start, &now) < LONG / 2);
    pthread_join(thread, NULL);
}

/* One that does nothing is waited for, longer than asked: it ends only then. */
static void test_hang(void **state)
{
    (void)state;
    pthread_t thread;
    struct timespec soon = clock_after(30 * SHORT);
    atomic_store(&deed, HANG);
    assert_int_equal(pthread_create(&thread, NULL, end_soon, &soon), 0);
    assert_int_equal(ask(1, 0, 10 * SHORT, NULL), 0);
    assert_true(clock_is_past(&soon));
    pthread_join(thread, NULL);
}

static void test_without_a_thread(void **state)
{
    (void)state;
    const struct file_key key = key_of(1, 0);
    struct probe_error error = {.text = ""};
    let_end(true);
    pthread_mutex_lock(&lock);
    assert_int_equal(readings_make(&readings, &key, file, NULL, &error), 0);
    atomic_store(&result, -EIO);
    assert_int_equal(readings_make(&readings, &key, file, NULL, &error), -EIO);
    assert_sentence(error, "it failed");
    assert_null(readings.ended);
    assert_null(readings.failed);
    pthread_mutex_unlock(&lock);
    expect_begun(2);
}

static void test_failure(void **state)
{
    (void)state;
    struct probe_error error = {.text = ""};
    atomic_store(&result, -ENOMEM);
    assert_int_equal(ask(1, 0, SHORT, NULL), -EINPROGRESS);
    let_end(true);
    wait_for_end();
    /* It is told once, and not to who asks for another. Then the file is read again. */
    atomic_store(&result, 0);
    assert_int_equal(ask(2, 0, LONG, NULL), 0);
    expect_begun(2);
    assert_int_equal(ask(1, 0, LONG, &error), -ENOMEM);
    assert_sentence(error, "it failed");
    expect_begun(2);
    assert_int_equal(ask(1, 0, LONG, NULL), 0);
    expect_begun(3);
}

static void test_failures_are_forgotten(void **state)
{
    enum { MANY = 20, KEPT = 8 };
    unsigned int told = 0;
    (void)state;
    atomic_store(&result, -EIO);
    for (ino_t i = 1; i <= MANY; i++)
        assert_int_equal(ask(i, 0, SHORT, NULL), -EINPROGRESS);
    let_end(true);
    wait_for_end();
    atomic_store(&result, 0);
    for (ino_t i = 1; i <= MANY; i++)
        told += ask(i, 0, LONG, NULL) == -EIO;
    assert_int_equal(told, KEPT);
}

/* One of many that wait. */
struct waiter {
    pthread_t thread;
    int status;
    int64_t took;
};

static void *wait_for_first(void *data)
{
    struct waiter *waiter = data;
    const struct timespec start = clock_now();
    waiter->status = ask(1, 0, SHORT, NULL);
    waiter->took = -clock_left(&start);
    return NULL;
}

/* All that wait for a file are told that it is at work, not one after another. */
static void test_many_that_wait(void **state)
{
    enum { MANY = 64 };
    (void)state;
    struct waiter waiters[MANY];
    int64_t longest = 0;
    atomic_store(&deed, WORK_NOW_AND_THEN);
    assert_int_equal(ask(1, 0, SHORT, NULL), -EINPROGRESS);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_first, &waiters[i]), 0);
    for (size_t i = 0; i < MANY; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_int_equal(waiters[i].status, -EINPROGRESS);
        longest = waiters[i].took > longest ? waiters[i].took : longest;
    }
    if (longest > 3 * CLOCK_SECOND / 2)
        fail_msg("one waited for %ld ms", (long)(longest / CLOCK_MILLISECOND));
}

static void test_large(void **state)
{
    enum { SIZE = 100 << 20 };
    (void)state;
    assert_int_equal(ask(1, SIZE, SHORT, NULL), -EINPROGRESS);
    assert_int_equal(ask(2, SIZE, SHORT, NULL), -EINPROGRESS);
    /* A third has to wait, and a small one has not. */
    assert_int_equal(ask(3, SIZE, SHORT, NULL), -EINPROGRESS);
    expect_begun(2);
    assert_int_equal(ask(4, 0, SHORT, NULL), -EINPROGRESS);
    expect_begun(3);
    let_end(true);
    wait_for_end();
    assert_int_equal(ask(3, SIZE, LONG, NULL), 0);
    expect_begun(4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_long, begin, end),
        cmocka_unit_test_setup_teardown(test_long_until_it_is_read, begin, end),
        cmocka_unit_test_setup_teardown(test_hang, begin, end),
        cmocka_unit_test_setup_teardown(test_without_a_thread, begin, end),
        cmocka_unit_test_setup_teardown(test_failure, begin, end),
        cmocka_unit_test_setup_teardown(test_failures_are_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(test_large, begin, end),
        cmocka_unit_test_setup_teardown(test_many_that_wait, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
