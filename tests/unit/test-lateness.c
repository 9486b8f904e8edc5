/* SPDX-License-Identifier: MIT */
/* Why a process has not answered: processes that hang, stand still, and want to run. */
#include "unit.h"

#include "workers/lateness.h"

#include "shared/clock.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs until it is killed. */
static void be_busy(void)
{
    for (volatile unsigned int i = 0;; i++)
        continue;
}

static void be_asleep(void)
{
    for (;;)
        pause();
}

/* Waits for its child, which waits for ever, as for a page that never comes. */
static void be_uninterruptible(void)
{
    pid_t self = getpid();
    pid_t child = vfork(); /* NOLINT: a parent in vfork sleeps so deeply */
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* NOLINT: nor does it touch what is shared */
        if (getppid() != self)                     /* NOLINT: it was killed before that */
            _exit(0);
        be_asleep();
    }
    _exit(0);
}

static void be_debugged(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
}

static void *be_uninterruptible_beside(void *data)
{
    (void)data;
    be_uninterruptible();
    return NULL;
}

/* One thread of two. */
static void be_half_uninterruptible(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, be_uninterruptible_beside, NULL) == 0)
        be_busy();
}

static pid_t start(void (*be)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        be();
    }
    assert_true(pid > 0);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* What is said of it becomes EXPECTED when it has come so far. */
static bool becomes(pid_t pid, int64_t used, enum lateness expected)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    const struct timespec deadline = clock_after(20 * CLOCK_SECOND);
    while (lateness_judge(pid, CLOCK_SECOND, used) != expected) {
        if (clock_is_past(&deadline))
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static void test_who_sleeps_is_stuck(void **state)
{
    (void)state;
    pid_t pid = start(be_asleep);
    assert_true(becomes(pid, 0, LATE_STUCK));
    end(pid);
    pid = start(be_uninterruptible);
    assert_true(becomes(pid, CLOCK_SECOND, LATE_STUCK));
    end(pid);
}

static void test_who_runs_has_work_or_is_starved(void **state)
{
    (void)state;
    pid_t pid = start(be_busy);
    assert_true(becomes(pid, CLOCK_SECOND * 9 / 10, LATE_WORKING));
    assert_true(becomes(pid, CLOCK_SECOND / 10, LATE_STARVED));
    end(pid);
}

static void test_who_is_stopped(void **state)
{
    (void)state;
    pid_t pid = start(be_busy);
    kill(pid, SIGSTOP);
    assert_true(becomes(pid, 0, LATE_STOPPED));
    end(pid);
    pid = start(be_debugged);
    assert_true(becomes(pid, 0, LATE_STOPPED));
    end(pid);
}

/* Has its main thread stopped? All of it has not while a thread sleeps so deeply. */
static bool has_stopped(pid_t pid)
{
    char text[4096];
    snprintf(text, sizeof(text), "/proc/%d/status", pid);
    FILE *file = fopen(text, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return strstr(text, "\nState:\tT");
}

/* A stop reaches no thread that sleeps so deeply, and does not hide it either. */
static void test_who_is_stopped_and_stuck(void **state)
{
    (void)state;
    const struct timespec deadline = clock_after(20 * CLOCK_SECOND);
    pid_t pid = start(be_half_uninterruptible);
    assert_true(becomes(pid, 0, LATE_STUCK));
    kill(pid, SIGSTOP);
    while (!has_stopped(pid) && !clock_is_past(&deadline))
        sched_yield();
    bool stopped = has_stopped(pid);
    enum lateness lateness = lateness_judge(pid, CLOCK_SECOND, 0);
    end(pid); /* before a test fails: no alarm ends it */
    assert_true(stopped);
    assert_int_equal(lateness, LATE_STUCK);
}

static void test_who_has_ended(void **state)
{
    (void)state;
    pid_t pid = start(be_asleep);
    end(pid);
    assert_int_equal(lateness_judge(pid, CLOCK_SECOND, 0), LATE_STUCK);
}

static void test_processor_time_grows_with_work(void **state)
{
    (void)state;
    const struct timespec pause = {.tv_nsec = 1000000};
    const struct timespec deadline = clock_after(20 * CLOCK_SECOND);
    clockid_t clock = 0;
    pid_t pid = start(be_busy);
    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    int64_t before = lateness_used(clock);
    while (lateness_used(clock) < before + 10 * CLOCK_MILLISECOND) {
        assert_false(clock_is_past(&deadline));
        nanosleep(&pause, NULL);
    }
    end(pid);
    assert_int_equal(lateness_used(clock), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_sleeps_is_stuck),
        cmocka_unit_test(test_who_runs_has_work_or_is_starved),
        cmocka_unit_test(test_who_is_stopped),
        cmocka_unit_test(test_who_is_stopped_and_stuck),
        cmocka_unit_test(test_who_has_ended),
        cmocka_unit_test(test_processor_time_grows_with_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
