/* SPDX-License-Identifier: MIT */
/* Lines that a user can cause at will: how many of them the log gets. */
#include "unit.h"

#include "common/log-limit.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const struct log_reason one = {.most = 1};
static const struct log_reason five = {.most = 5};

static char output[1 << 16];

/* Seconds: time stands still otherwise, as a minute is not long on a busy machine. */
static time_t now = 1000;

/* The linker's name. NOLINTBEGIN(bugprone-reserved-identifier) */
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    *time = (struct timespec){.tv_sec = now};
    return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* What COUNT lines of a user and reason leave in the log: how many, and in `output`. */
static unsigned int log_lines(uid_t user, const struct log_reason *reason, unsigned int count)
{
    int ends[2];
    int saved = dup(STDERR_FILENO);
    unsigned int lines = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(stderr);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    for (unsigned int i = 0; i < count; i++)
        log_limited(user, reason, PROBE_LOG_ERROR, "user %u", user);
    fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    ssize_t got = read(ends[0], output, sizeof(output) - 1);
    close(ends[0]);
    output[got > 0 ? got : 0] = '\0';
    for (const char *at = output; (at = strchr(at, '\n')); at++)
        lines++;
    return lines;
}

static void test_so_many_a_minute(void **state)
{
    (void)state;
    assert_int_equal(log_lines(1, &one, 3000), 1);
    assert_non_null(strstr(output, "user 1"));
    assert_int_equal(log_lines(1, &one, 10), 0);
    /* Another user, and another reason, have their own. */
    assert_int_equal(log_lines(2, &one, 10), 1);
    assert_int_equal(log_lines(1, &five, 3), 3);
    assert_int_equal(log_lines(1, &five, 10), 2);
}

static void test_the_next_minute(void **state)
{
    (void)state;
    assert_int_equal(log_lines(3, &one, 10), 1);
    now += 61;
    assert_int_equal(log_lines(3, &one, 10), 1);
    assert_non_null(strstr(output, "9 lines like it were left out"));
}

/* More users than can be told apart cause no more lines. */
static void test_many_users(void **state)
{
    (void)state;
    unsigned int lines = 0;
    for (uid_t user = 10000; user < 20000; user++)
        lines += log_lines(user, &one, 1);
    assert_in_range(lines, 1000, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_so_many_a_minute),
        cmocka_unit_test(test_the_next_minute),
        cmocka_unit_test(test_many_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
