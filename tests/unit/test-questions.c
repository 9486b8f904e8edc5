/* SPDX-License-Identifier: MIT */
/* What a worker asks of the server in the middle of a call, about an image that came with it. */
#include "unit.h"

#include "workers/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A worker that asks COUNT times, and remembers what it got last. */
struct asker {
    int channel;
    enum question_kind kind;
    unsigned int count, answered;
    int last;
    struct probe_error sentence;
    bool is_null; /* the descriptor is of /dev/null */
};

static void *ask(void *data)
{
    struct asker *asker = data;
    struct call call;
    if (channel_receive(asker->channel, &call) < 0)
        return NULL;
    for (unsigned int i = 0; i < asker->count; i++) {
        struct stat got;
        struct stat expected;
        const struct worker_question question = {asker->kind, 0x1000 + i, 0x2000 + i};
        asker->last = channel_ask(asker->channel, &question, &asker->sentence);
        if (asker->last == -EPIPE)
            break;
        asker->answered++;
        if (asker->last < 0 || asker->kind != QUESTION_FILE)
            continue;
        asker->is_null = fstat(asker->last, &got) == 0 && stat("/dev/null", &expected) == 0 &&
                         got.st_rdev == expected.st_rdev;
        close(asker->last);
    }
    channel_reply(asker->channel, &call);
    probe_image_done(&call.image);
    free((char *)call.in);
    return NULL;
}

/* The server's side: does for even starts what is asked, as a file /dev/null; nothing for odd. */
static int answer(void *data, const struct worker_question *question, struct probe_error *sentence)
{
    unsigned int *asked = data;
    assert_true(question->end == question->start + 0x1000);
    ++*asked;
    snprintf(sentence->text, sizeof(sentence->text), "odd");
    if (question->start % 2 != 0)
        return -ENOENT;
    return question->kind == QUESTION_FILE ? open("/dev/null", O_PATH | O_CLOEXEC) : 0;
}

/* One call of a worker that asks COUNT questions of KIND; returns its status. */
static int call_asker(struct asker *asker, enum question_kind kind, unsigned int count,
                      bool answers, unsigned int *asked)
{
    int ends[2];
    pthread_t thread;
    struct timespec deadline;
    struct call call = CALL_INIT;
    assert_int_equal(channel_pair(ends), 0);
    *asker = (struct asker){.channel = ends[1], .kind = kind, .count = count};
    assert_int_equal(pthread_create(&thread, NULL, ask, asker), 0);
    call.answer = answers ? answer : NULL;
    call.answer_data = asked;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += 60;
    *asked = 0;
    int status = channel_call(ends[0], &call, &deadline);
    close(ends[0]);
    pthread_join(thread, NULL);
    close(ends[1]);
    free(call.out);
    return status;
}

static void test_files_are_given(void **state)
{
    (void)state;
    struct asker asker;
    unsigned int asked = 0;
    assert_int_equal(call_asker(&asker, QUESTION_FILE, 1, true, &asked), 0);
    assert_true(asker.last >= 0);
    assert_true(asker.is_null);
    assert_int_equal(call_asker(&asker, QUESTION_FILE, 2, true, &asked), 0);
    assert_int_equal(asker.last, -ENOENT);
    assert_int_equal(asked, 2);
}

static void test_none_are_given_in_other_calls(void **state)
{
    (void)state;
    struct asker asker;
    unsigned int asked = 0;
    assert_int_equal(call_asker(&asker, QUESTION_FILE, 3, false, &asked), 0);
    assert_int_equal(asker.last, -EPERM);
    assert_int_equal(asked, 0);
}

static void test_questions_have_an_end(void **state)
{
    (void)state;
    struct asker asker;
    unsigned int asked = 0;
    assert_int_equal(call_asker(&asker, QUESTION_FILE, 100000, true, &asked), -EPIPE);
    assert_true(asked < 1000);
    assert_int_equal(asker.answered, asked);
}

/* Whatever is done for the worker and is no file comes without a descriptor. */
static void test_other_things_are_done(void **state)
{
    (void)state;
    struct asker asker;
    unsigned int asked = 0;
    for (enum question_kind kind = QUESTION_STOP; kind <= QUESTION_RESUME; kind++) {
        assert_int_equal(call_asker(&asker, kind, 1, true, &asked), 0);
        assert_int_equal(asker.last, 0);
        assert_string_equal(asker.sentence.text, "");
        assert_int_equal(call_asker(&asker, kind, 2, true, &asked), 0);
        assert_int_equal(asker.last, -ENOENT);
        assert_string_equal(asker.sentence.text, "odd");
        assert_int_equal(call_asker(&asker, kind, 1, false, &asked), 0);
        assert_int_equal(asker.last, -EPERM);
    }
}

/* As many as there are sites: a call that writes these is limited by time alone. */
static void test_as_many_writes_as_sites(void **state)
{
    (void)state;
    struct asker asker;
    unsigned int asked = 0;
    assert_int_equal(call_asker(&asker, QUESTION_WRITE_CODE, 3000, true, &asked), 0);
    assert_int_equal(asked, 3000);
    assert_int_equal(call_asker(&asker, QUESTION_STOP, 3000, true, &asked), -EPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_given),
        cmocka_unit_test(test_none_are_given_in_other_calls),
        cmocka_unit_test(test_questions_have_an_end),
        cmocka_unit_test(test_other_things_are_done),
        cmocka_unit_test(test_as_many_writes_as_sites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
