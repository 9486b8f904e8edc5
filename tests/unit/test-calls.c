/* SPDX-License-Identifier: MIT */
/* A worker that does not answer: who learns of it, and in which order. */
#include "unit.h"

#include "shared/clock.h"
#include "workers/calls.h"
#include "workers/channel.h"
#include "workers/pool-internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

static struct workers workers;
static struct worker worker;
static struct busy_channel other; /* somebody else waits on it, */
static int other_end;             /* for this end of the worker's */
static int own_end;

static int answers_nobody(void **state)
{
    int own[2];
    int others[2];
    (void)state;
    workers = (struct workers){.wake = eventfd(0, EFD_CLOEXEC), .lock = PTHREAD_MUTEX_INITIALIZER};
    worker = (struct worker){.workers = &workers, .listed = true, .users = 1, .control = dup(0)};
    worker.pid = fork();
    if (worker.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        for (;;)
            pause();
    }
    worker.pidfd = (int)syscall(SYS_pidfd_open, worker.pid, 0);
    assert_true(worker.pid > 0 && worker.pidfd >= 0 && worker.control >= 0);
    HASH_ADD(hh, workers.table, identity, sizeof(worker.identity), &worker);
    assert_int_equal(channel_pair(own), 0);
    assert_int_equal(channel_pair(others), 0);
    worker.channels[worker.channel_count++] = own[0];
    own_end = own[1];
    other.channel = others[0];
    other_end = others[1];
    DL_APPEND(worker.busy, &other);
    return 0;
}

static int bury(void **state)
{
    (void)state;
    corpses_done(&workers.corpses);
    close(worker.pidfd);
    close(workers.wake);
    close(own_end);
    close(other_end);
    close(other.channel);
    return waitpid(worker.pid, NULL, 0) == worker.pid ? 0 : -1;
}

/* Has whoever waits on the other channel been told that nothing will come? */
static bool is_other_told(void)
{
    struct pollfd poller = {.fd = other.channel, .events = POLLIN | POLLRDHUP};
    return poll(&poller, 1, 0) > 0;
}

static bool is_dead(int milliseconds)
{
    struct pollfd poller = {.fd = worker.pidfd, .events = POLLIN};
    return poll(&poller, 1, milliseconds) > 0;
}

static int reason;

static void note(const void *data, int status)
{
    assert_ptr_equal(data, &reason);
    assert_false(is_other_told());
    assert_false(is_dead(0));
    reason = status;
}

/* Whoever learns that the worker was ended, and asks again, must meet what is known of it. */
static void test_who_asked_is_told_first(void **state)
{
    struct call call = CALL_INIT;
    (void)state;
    call.request = (struct request){.operation = OPERATION_FIND, .pid = worker.pid};
    call.given_up = note;
    call.given_up_data = &reason;
    reason = 0;
    int status = worker_call(&worker, &call, 20 * CLOCK_MILLISECOND);
    assert_true(status < 0 && status != -EPIPE);
    assert_int_equal(status, reason);
    assert_true(is_other_told());
    assert_true(is_dead(10000));
    assert_false(worker.listed);
}

static void test_nobody_need_be_told(void **state)
{
    struct call call = CALL_INIT;
    (void)state;
    call.request = (struct request){.operation = OPERATION_FIND, .pid = worker.pid};
    assert_true(worker_call(&worker, &call, 20 * CLOCK_MILLISECOND) < 0);
    assert_true(is_other_told());
    assert_true(is_dead(10000));
}

/* A stopped worker is not stuck at the process that it was asked about: the next is asked at once.
 */
static void test_a_stopped_worker_bars_nobody(void **state)
{
    struct call call = CALL_INIT;
    int status = 0;
    (void)state;
    call.request = (struct request){.operation = OPERATION_FIND, .pid = worker.pid};
    assert_int_equal(kill(worker.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(worker.pid, &status, WUNTRACED), worker.pid);
    assert_int_equal(worker_call(&worker, &call, 20 * CLOCK_MILLISECOND), -ESHUTDOWN);
    /* Whether it has died by now, or not. */
    assert_false(corpses_have(&workers.corpses, &call));
}

/* This process stands for workers that do not die. */
static void test_a_stuck_worker_bars_its_process(void **state)
{
    struct corpses corpses = {NULL};
    struct call call = CALL_INIT;
    int living = (int)syscall(SYS_pidfd_open, getpid(), 0);
    (void)state;
    call.request = (struct request){.operation = OPERATION_FIND, .pid = 1};
    corpses_add(&corpses, 7, living, NULL);
    assert_false(corpses_have(&corpses, &call));
    corpses_add(&corpses, 7, living, &call);
    assert_true(corpses_have(&corpses, &call));
    assert_int_equal(corpses_count(&corpses, 7), 2);
    call.request.pid = 2;
    assert_false(corpses_have(&corpses, &call));
    corpses_done(&corpses);
    close(living);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_asked_is_told_first, answers_nobody, bury),
        cmocka_unit_test_setup_teardown(test_nobody_need_be_told, answers_nobody, bury),
        cmocka_unit_test_setup_teardown(test_a_stopped_worker_bars_nobody, answers_nobody, bury),
        cmocka_unit_test(test_a_stuck_worker_bars_its_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
