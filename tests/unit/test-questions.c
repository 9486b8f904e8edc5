/* SPDX-License-Identifier: MIT */
/* What a worker asks of the server in the middle of a call: files that an image has mapped. */
#include "unit.h"

#include "workers/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

/* A worker that asks COUNT times, and remembers what it got last. */
struct asker {
    int channel;
    unsigned int count, answered;
    int last;
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
        asker->last = channel_ask_mapped(asker->channel, 0x1000 + i, 0x2000 + i);
        if (asker->last == -EPIPE)
            break;
        asker->answered++;
        if (asker->last < 0)
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

/* The server's side: gives /dev/null for even starts, and nothing for odd ones. */
static int open_mapped(void *data, uint64_t start, uint64_t end)
{
    unsigned int *asked = data;
    assert_true(end == start + 0x1000);
    ++*asked;
    return start % 2 == 0 ? open("/dev/null", O_PATH | O_CLOEXEC) : -ENOENT;
}

/* One call of a worker that asks COUNT times; returns its status. */
static int call_asker(struct asker *asker, unsigned int count, bool answers, unsigned int *asked)
{
    int ends[2];
    pthread_t thread;
    struct timespec deadline;
    struct call call = CALL_INIT;
    assert_int_equal(channel_pair(ends), 0);
    *asker = (struct asker){.channel = ends[1], .count = count};
    assert_int_equal(pthread_create(&thread, NULL, ask, asker), 0);
    call.open_mapped = answers ? open_mapped : NULL;
    call.open_mapped_data = asked;
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
    assert_int_equal(call_asker(&asker, 1, true, &asked), 0);
    assert_true(asker.last >= 0);
    assert_true(asker.is_null);
    assert_int_equal(call_asker(&asker, 2, true, &asked), 0);
    assert_int_equal(asker.last, -ENOENT);
    assert_int_equal(asked, 2);
}

static void test_none_are_given_in_other_calls(void **state)
{
    (void)state;
    struct asker asker;
    unsigned int asked = 0;
    assert_int_equal(call_asker(&asker, 3, false, &asked), 0);
    assert_int_equal(asker.last, -EPERM);
    assert_int_equal(asked, 0);
}

static void test_questions_have_an_end(void **state)
{
    (void)state;
    struct asker asker;
    unsigned int asked = 0;
    assert_int_equal(call_asker(&asker, 100000, true, &asked), -EPIPE);
    assert_true(asked < 1000);
    assert_int_equal(asker.answered, asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_given),
        cmocka_unit_test(test_none_are_given_in_other_calls),
        cmocka_unit_test(test_questions_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
