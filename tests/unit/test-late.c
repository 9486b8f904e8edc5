/* SPDX-License-Identifier: MIT */
/* Calls whose answer nobody waits for: the thread that takes it, and a worker that is made here. */
#include "unit.h"

#include "channel-ends.h"
#include "workers/late.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* What came of one call. */
struct asked {
    struct late_call late_call; /* the first: see take_answer() */
    struct call call;
    int worker; /* the other end */
    bool done;
    int status;
};

static struct late_calls *late_calls;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;

static int begin(void **state)
{
    (void)state;
    return late_calls_new(&late_calls);
}

static int end(void **state)
{
    (void)state;
    late_calls_free(late_calls);
    return 0;
}

static void take_answer(struct late_call *late_call, int status)
{
    struct asked *asked = (struct asked *)late_call;
    pthread_mutex_lock(&lock);
    assert_false(asked->done);
    asked->done = true;
    asked->status = status;
    close(late_call->channel);
    pthread_cond_broadcast(&came);
    pthread_mutex_unlock(&lock);
}

/* Sends a READ of SIZE bytes, whose answer is waited for until DEADLINE. */
static void ask(struct asked *asked, uint32_t size, struct timespec deadline)
{
    int ends[2];
    *asked = (struct asked){.call = CALL_INIT};
    assert_int_equal(channel_pair(ends), 0);
    asked->call.request.operation = OPERATION_READ;
    asked->call.request.size = size;
    asked->worker = ends[1];
    asked->late_call.call = &asked->call;
    asked->late_call.channel = ends[0];
    asked->late_call.deadline = deadline;
    asked->late_call.done = take_answer;
    assert_int_equal(channel_send_call(ends[0], &asked->call, &deadline), 0);
    assert_int_equal(late_calls_add(late_calls, &asked->late_call), 0);
}

/* The worker's answer of LENGTH bytes. */
static void answer(const struct asked *asked, size_t length)
{
    struct call call;
    assert_int_equal(channel_receive(asked->worker, &call), 0);
    call.out = pattern(length);
    call.out_length = length;
    assert_int_equal(channel_reply(asked->worker, &call), 0);
    free(call.out);
}

static void assert_answered(struct asked *asked, int status)
{
    pthread_mutex_lock(&lock);
    while (!asked->done)
        pthread_cond_wait(&came, &lock);
    pthread_mutex_unlock(&lock);
    assert_int_equal(asked->status, status);
    close(asked->worker);
}

static void test_answers(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 128, 129, 65536, 65537, 3 << 20};
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        struct asked asked;
        ask(&asked, 4 << 20, in_a_minute());
        answer(&asked, lengths[i]);
        assert_answered(&asked, 0);
        char *expected = pattern(lengths[i]);
        assert_int_equal(asked.call.out_length, lengths[i]);
        if (lengths[i] > 0)
            assert_memory_equal(asked.call.out, expected, lengths[i]);
        free(expected);
        free(asked.call.out);
    }
}

/* One that never answers, among others that do, costs these nothing. */
static void test_no_answer(void **state)
{
    (void)state;
    struct asked silent;
    struct asked first;
    struct asked second;
    struct timespec soon;
    clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_nsec = 0;
    soon.tv_sec++;
    ask(&first, 10, in_a_minute());
    ask(&silent, 10, soon);
    ask(&second, 10, in_a_minute());
    answer(&second, 10);
    assert_answered(&second, 0);
    assert_answered(&silent, -ETIMEDOUT);
    answer(&first, 10);
    assert_answered(&first, 0);
    free(first.call.out);
    free(second.call.out);
}

/* A worker whose packets have another size than any answer's. */
static void test_packets_of_a_wrong_size(void **state)
{
    (void)state;
    struct asked asked;
    ask(&asked, 1 << 20, in_a_minute());
    assert_int_equal(send(asked.worker, "", 1, MSG_NOSIGNAL), 1);
    assert_answered(&asked, -EPIPE);
}

/* More than was asked for, and an end without an answer. */
static void test_answers_that_make_no_sense(void **state)
{
    (void)state;
    struct asked asked;
    ask(&asked, 10, in_a_minute());
    answer(&asked, 11);
    assert_answered(&asked, -EPIPE);
    assert_null(asked.call.out);
    ask(&asked, 10, in_a_minute());
    shutdown(asked.worker, SHUT_RDWR);
    assert_answered(&asked, -EPIPE);
}

static void test_the_end(void **state)
{
    (void)state;
    struct asked asked[3];
    size_t before = count_open_files();
    for (size_t i = 0; i < ARRAY_LENGTH(asked); i++)
        ask(&asked[i], 10, in_a_minute());
    late_calls_free(late_calls);
    for (size_t i = 0; i < ARRAY_LENGTH(asked); i++)
        assert_answered(&asked[i], -EPIPE);
    assert_int_equal(late_calls_new(&late_calls), 0);
    assert_int_equal(count_open_files(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_packets_of_a_wrong_size),
        cmocka_unit_test(test_answers_that_make_no_sense),
        cmocka_unit_test(test_the_end),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
