/* SPDX-License-Identifier: MIT */
/* Calls over the channel between server and worker. */
#include "unit.h"

#include "workers/channel.h"
#include "channel-ends.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Answers each request until its client has gone: with the number of its file as an error, its
 * payload backwards, and the size of the file that each descriptor stands for in the sentence's
 * place.
 */
static void *serve(void *data)
{
    int channel = *(int *)data;
    struct call call;
    while (channel_receive(channel, &call) == 0) {
        const int fds[] = {call.image.maps, call.image.mem, call.image.exe, call.image.root};
        call.reply = (struct reply){.error = (int)call.request.file};
        for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
            struct stat status = {0};
            if (fds[i] >= 0)
                assert_int_equal(fstat(fds[i], &status), 0);
            call.reply.sentence.text[i] = (char)(fds[i] < 0 ? '-' : 'a' + status.st_size);
            if (fds[i] >= 0)
                assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        }
        call.out = malloc(call.in_length ? call.in_length : 1);
        assert_non_null(call.out);
        call.out_length = call.in_length;
        for (size_t i = 0; i < call.in_length; i++)
            call.out[i] = call.in[call.in_length - 1 - i];
        int status = channel_reply(channel, &call);
        probe_image_done(&call.image);
        free((char *)call.in);
        free(call.out);
        if (status < 0)
            break;
    }
    close(channel);
    return NULL;
}

struct worker_thread {
    int client, server;
    pthread_t thread;
};

static void worker_begin(struct worker_thread *worker)
{
    int ends[2];
    assert_int_equal(channel_pair(ends), 0);
    worker->client = ends[0];
    worker->server = ends[1];
    assert_int_equal(pthread_create(&worker->thread, NULL, serve, &worker->server), 0);
}

static void worker_end(struct worker_thread *worker)
{
    close(worker->client);
    assert_int_equal(pthread_join(worker->thread, NULL), 0);
}

/* ---- round trips ------------------------------------------------------------------------- */

static void test_payloads(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 127, 128, 129, 65535, 65536, 65537, 131072, 3 << 20, 0};
    struct worker_thread worker;
    struct timespec deadline = in_a_minute();
    worker_begin(&worker);
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        size_t length = lengths[i];
        char *bytes = pattern(length);
        struct call call = CALL_INIT;
        call.request.operation = OPERATION_WRITE;
        call.request.report_forgets = true;
        call.request.file = 100 + i;
        call.in = bytes;
        call.in_length = length;
        assert_int_equal(channel_call(worker.client, &call, &deadline), 0);
        assert_int_equal(call.reply.error, 100 + i);
        assert_int_equal(call.out_length, length);
        if (length == 0)
            assert_null(call.out);
        for (size_t b = 0; b < length; b++) {
            if (call.out[b] != bytes[length - 1 - b])
                fail_msg("byte %zu of %zu is another", b, length);
        }
        free(call.out);
        free(bytes);
    }
    worker_end(&worker);
}

static void test_the_whole_request(void **state)
{
    (void)state;
    int ends[2];
    struct timespec deadline = long_ago();
    struct call call = CALL_INIT;
    struct call received;
    assert_int_equal(channel_pair(ends), 0);
    call.request = (struct request){
        .operation = OPERATION_OPEN,
        .pid = 4711,
        .kind = 3,
        .lent = true,
        .probe = "gc_start",
        .file = UINT64_MAX,
        .offset = 1ULL << 40,
        .size = UINT32_MAX,
    };
    memset(&call.request.id, 0xa5, sizeof(call.request.id));
    call.image.pid = 4711;
    call.image.access = PROBE_WRITE;
    /* Nobody answers: but the request is on its way. */
    assert_int_equal(channel_call(ends[0], &call, &deadline), -ETIMEDOUT);
    assert_int_equal(channel_receive(ends[1], &received), 0);
    const struct request *request = &received.request;
    assert_int_equal(request->operation, OPERATION_OPEN);
    assert_int_equal(request->pid, 4711);
    assert_int_equal(request->kind, 3);
    assert_true(request->lent);
    assert_string_equal(request->probe, "gc_start");
    assert_true(request->file == UINT64_MAX);
    assert_true(request->offset == 1ULL << 40);
    assert_true(request->size == UINT32_MAX);
    assert_true(probe_image_id_equal(&request->id, &call.request.id));
    assert_int_equal(received.image.pid, 4711);
    assert_int_equal(received.image.access, PROBE_WRITE);
    assert_int_equal(received.image.mem, -1);
    assert_null(received.in);
    assert_int_equal(received.in_length, 0);
    close_ends(ends);
}

static void test_descriptors(void **state)
{
    (void)state;
    struct worker_thread worker;
    struct timespec deadline = in_a_minute();
    size_t before = count_open_files();
    worker_begin(&worker);
    for (unsigned int mask = 0; mask < 16; mask++) {
        struct call call = CALL_INIT;
        int *const fds[] = {&call.image.maps, &call.image.mem, &call.image.exe, &call.image.root};
        char expected[] = "----";
        for (unsigned int i = 0; i < 4; i++) {
            if (!(mask & 1U << i))
                continue;
            *fds[i] = memfd_create("unit", MFD_CLOEXEC);
            assert_int_equal(ftruncate(*fds[i], (off_t)i + 1), 0);
            expected[i] = (char)('a' + i + 1);
        }
        assert_int_equal(channel_call(worker.client, &call, &deadline), 0);
        assert_string_equal(call.reply.sentence.text, expected);
        /* They stay the caller's. */
        for (unsigned int i = 0; i < 4; i++) {
            if (mask & 1U << i)
                assert_true(fcntl(*fds[i], F_GETFD) >= 0);
        }
        probe_image_done(&call.image);
    }
    worker_end(&worker);
    assert_int_equal(count_open_files(), before);
}

/* Lends what was lent to it, if the operation may lend. */
static void *lend_back(void *data)
{
    int channel = *(int *)data;
    struct call call;
    while (channel_receive(channel, &call) == 0) {
        call.lent = call.image;
        int status = channel_reply(channel, &call);
        probe_image_done(&call.lent);
        if (status < 0)
            break;
    }
    close(channel);
    return NULL;
}

static int call_lender(enum operation operation, unsigned int mask, struct probe_image *lent)
{
    int ends[2];
    pthread_t thread;
    struct timespec deadline = in_a_minute();
    struct call call = CALL_INIT;
    int *const fds[] = {&call.image.maps, &call.image.mem, &call.image.exe, &call.image.root};
    for (unsigned int i = 0; i < 4; i++) {
        if (!(mask & 1U << i))
            continue;
        *fds[i] = memfd_create("unit", MFD_CLOEXEC);
        assert_int_equal(ftruncate(*fds[i], (off_t)i + 1), 0);
    }
    call.image.pid = 4711;
    call.request.operation = operation;
    assert_int_equal(channel_pair(ends), 0);
    assert_int_equal(pthread_create(&thread, NULL, lend_back, &ends[1]), 0);
    int status = channel_call(ends[0], &call, &deadline);
    close(ends[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    probe_image_done(&call.image);
    *lent = call.lent;
    return status;
}

/* Descriptors come back in their places; and only from those who are asked for some. */
static void test_lent_descriptors(void **state)
{
    (void)state;
    size_t before = count_open_files();
    for (unsigned int mask = 0; mask < 16; mask++) {
        struct probe_image lent;
        assert_int_equal(call_lender(OPERATION_LEND, mask, &lent), 0);
        const int fds[] = {lent.maps, lent.mem, lent.exe, lent.root};
        assert_int_equal(lent.pid, 4711);
        for (unsigned int i = 0; i < 4; i++) {
            struct stat status;
            assert_int_equal(fds[i] >= 0, mask >> i & 1U);
            if (fds[i] < 0)
                continue;
            assert_int_equal(fstat(fds[i], &status), 0);
            assert_int_equal(status.st_size, i + 1);
            assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        }
        probe_image_done(&lent);
        assert_int_equal(call_lender(OPERATION_READ, mask, &lent), mask == 0 ? 0 : -EPIPE);
        assert_int_equal(lent.mem, -1);
    }
    assert_int_equal(count_open_files(), before);
}

static void test_one_descriptor(void **state)
{
    (void)state;
    int ends[2];
    struct stat sent;
    struct stat received;
    assert_int_equal(channel_pair(ends), 0);
    int file = memfd_create("unit", MFD_CLOEXEC);
    assert_int_equal(channel_send_fd(ends[0], file), 0);
    int fd = channel_receive_fd(ends[1]);
    assert_true(fd >= 0 && fd != file);
    assert_int_equal(fstat(file, &sent), 0);
    assert_int_equal(fstat(fd, &received), 0);
    assert_true(sent.st_ino == received.st_ino && sent.st_dev == received.st_dev);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    close(ends[0]);
    assert_int_equal(channel_receive_fd(ends[1]), -EPIPE);
    assert_int_equal(channel_send_fd(ends[1], file), -EPIPE);
    close(file);
    close(ends[1]);
}

static void test_a_full_channel_does_not_wait(void **state)
{
    (void)state;
    int ends[2];
    int status = 0;
    assert_int_equal(channel_pair(ends), 0);
    for (unsigned int i = 0; i < 1 << 20 && status == 0; i++)
        status = channel_send_fd(ends[0], STDERR_FILENO);
    assert_true(status < 0);
    close_ends(ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payloads),       cmocka_unit_test(test_the_whole_request),
        cmocka_unit_test(test_descriptors),    cmocka_unit_test(test_lent_descriptors),
        cmocka_unit_test(test_one_descriptor), cmocka_unit_test(test_a_full_channel_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
