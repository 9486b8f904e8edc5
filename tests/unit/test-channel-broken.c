/* SPDX-License-Identifier: MIT */
/* What makes no sense on the channel: packets that lie, ends that go away. */
#include "unit.h"

#include "workers/channel.h"
#include "channel-ends.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first packet of a request, as channel_call() sends it for CALL; its last word is the length.
 */
static void *capture_request(struct call *call, size_t *length)
{
    int ends[2];
    char packet[8192];
    struct timespec deadline = long_ago();
    assert_int_equal(channel_pair(ends), 0);
    assert_int_equal(channel_call(ends[0], call, &deadline), -ETIMEDOUT);
    ssize_t got = recv(ends[1], packet, sizeof(packet), 0);
    assert_true(got > 0 && got < (ssize_t)sizeof(packet));
    close_ends(ends);
    *length = (size_t)got;
    return exact_copy(packet, (size_t)got);
}

static void set_payload(void *packet, size_t length, uint64_t payload)
{
    memcpy((char *)packet + length - sizeof(payload), &payload, sizeof(payload));
}

static void send_packet(int channel, const void *bytes, size_t length)
{
    assert_int_equal(send(channel, bytes, length, 0), (ssize_t)length);
}

static void test_requests_of_a_wrong_size(void **state)
{
    (void)state;
    struct call call = CALL_INIT;
    struct call received;
    size_t length = 0;
    char *packet = capture_request(&call, &length);
    char *longer = calloc(1, length + 1);
    assert_non_null(longer);
    memcpy(longer, packet, length);
    const size_t lengths[] = {1, 8, length - 1, length + 1};
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        int ends[2];
        assert_int_equal(channel_pair(ends), 0);
        send_packet(ends[0], longer, lengths[i]);
        assert_int_equal(channel_receive(ends[1], &received), -EPIPE);
        close_ends(ends);
    }
    free(longer);
    free(packet);
}

static void test_payloads_of_a_wrong_size(void **state)
{
    (void)state;
    static const struct {
        uint64_t says;
        size_t sends;
    } rows[] = {
        {1000, 999},     {1000, 1001},    {65537, 65535}, {PAYLOAD_MAX + 1ULL, 1},
        {UINT64_MAX, 1}, {1ULL << 63, 1},
    };
    struct call call = CALL_INIT;
    size_t length = 0;
    char *packet = capture_request(&call, &length);
    char *bytes = pattern(65536);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int ends[2];
        struct call received;
        assert_int_equal(channel_pair(ends), 0);
        set_payload(packet, length, rows[i].says);
        send_packet(ends[0], packet, length);
        send_packet(ends[0], bytes, rows[i].sends);
        assert_int_equal(channel_receive(ends[1], &received), -EPIPE);
        close_ends(ends);
    }
    free(bytes);
    free(packet);
}

static void test_a_client_that_ends_in_the_middle(void **state)
{
    (void)state;
    int ends[2];
    struct call call = CALL_INIT;
    struct call received;
    size_t length = 0;
    char *packet = capture_request(&call, &length);
    set_payload(packet, length, 1000);
    assert_int_equal(channel_pair(ends), 0);
    send_packet(ends[0], packet, length);
    close(ends[0]);
    assert_int_equal(channel_receive(ends[1], &received), -EPIPE);
    close(ends[1]);
    free(packet);
}

static void test_a_name_without_an_end(void **state)
{
    (void)state;
    int ends[2];
    struct call call = CALL_INIT;
    struct call received;
    size_t length = 0;
    memset(call.request.probe, 'n', sizeof(call.request.probe));
    char *packet = capture_request(&call, &length);
    assert_int_equal(channel_pair(ends), 0);
    send_packet(ends[0], packet, length);
    assert_int_equal(channel_receive(ends[1], &received), 0);
    assert_int_equal(strlen(received.request.probe), PROBE_NAME_SIZE - 1);
    close_ends(ends);
    free(packet);
}

/* Sends PACKET with FD_COUNT descriptors. */
static void send_with_fds(int channel, const void *packet, size_t length, size_t fd_count)
{
    union {
        char bytes[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec vector = {(void *)packet, length};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(fd_count * sizeof(int)),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    for (size_t i = 0; i < fd_count; i++) {
        const int fd = STDERR_FILENO;
        memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(fd));
    }
    assert_int_equal(sendmsg(channel, &message, 0), (ssize_t)length);
}

/* An image says how many descriptors come with it: any other number ends the channel. */
static void test_descriptors_of_a_wrong_number(void **state)
{
    (void)state;
    struct call call = CALL_INIT;
    size_t length = 0;
    call.image.maps = STDERR_FILENO;
    call.image.mem = STDERR_FILENO;
    char *packet = capture_request(&call, &length);
    for (size_t count = 0; count <= 6; count++) {
        int ends[2];
        struct call received;
        size_t before = count_open_files();
        assert_int_equal(channel_pair(ends), 0);
        if (count == 0)
            send_packet(ends[0], packet, length);
        else
            send_with_fds(ends[0], packet, length, count);
        int status = channel_receive(ends[1], &received);
        if (status == 0)
            probe_image_done(&received.image);
        close_ends(ends);
        if (status != (count == 2 ? 0 : -EPIPE))
            fail_msg("status %d for %zu descriptors", status, count);
        if (count_open_files() != before)
            fail_msg("descriptors stay open after %zu came", count);
    }
    free(packet);
}

static void test_two_descriptors_in_the_place_of_one(void **state)
{
    (void)state;
    int ends[2];
    size_t before = count_open_files();
    assert_int_equal(channel_pair(ends), 0);
    send_with_fds(ends[0], "", 1, 2);
    assert_int_equal(channel_receive_fd(ends[1]), -EPIPE);
    send_packet(ends[0], "", 1);
    assert_int_equal(channel_receive_fd(ends[1]), -EPIPE);
    close_ends(ends);
    assert_int_equal(count_open_files(), before);
}

/* ---- a worker that makes no sense -------------------------------------------------------- */

static void test_replies_of_a_wrong_size(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 7, 100, 60000};
    struct timespec deadline = in_a_minute();
    char *bytes = pattern(60000);
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        int ends[2];
        struct call call = CALL_INIT;
        assert_int_equal(channel_pair(ends), 0);
        send_packet(ends[1], bytes, lengths[i]);
        assert_int_equal(channel_call(ends[0], &call, &deadline), -EPIPE);
        assert_null(call.out);
        close_ends(ends);
    }
    free(bytes);
}

/* The first packet of a reply with PAYLOAD bytes to come. */
static void *capture_reply(uint64_t payload, size_t *length)
{
    int ends[2];
    char packet[8192];
    struct call call = CALL_INIT;
    memset(call.reply.sentence.text, 's', sizeof(call.reply.sentence.text));
    assert_int_equal(channel_pair(ends), 0);
    assert_int_equal(channel_reply(ends[0], &call), 0);
    ssize_t got = recv(ends[1], packet, sizeof(packet), 0);
    assert_true(got > 0 && got < (ssize_t)sizeof(packet));
    close_ends(ends);
    *length = (size_t)got;
    set_payload(packet, *length, payload);
    return exact_copy(packet, (size_t)got);
}

static void test_replies_that_lie(void **state)
{
    (void)state;
    static const uint64_t payloads[] = {1000, PAYLOAD_MAX + 1ULL, UINT64_MAX};
    struct timespec deadline = in_a_minute();
    for (size_t i = 0; i < ARRAY_LENGTH(payloads); i++) {
        int ends[2];
        size_t length = 0;
        struct call call = CALL_INIT;
        char *packet = capture_reply(payloads[i], &length);
        call.request.operation = OPERATION_WRITE;
        call.request.report_forgets = true;
        assert_int_equal(channel_pair(ends), 0);
        send_packet(ends[1], packet, length);
        send_packet(ends[1], "x", 1);
        assert_int_equal(channel_call(ends[0], &call, &deadline), -EPIPE);
        assert_null(call.out);
        close_ends(ends);
        free(packet);
    }
}

/* The answer to REQUEST with an IN_LENGTH of its own, in which PAYLOAD bytes are said to come. */
static int answer(const struct request *request, size_t in_length, uint64_t payload)
{
    int ends[2];
    size_t length = 0;
    struct call call = CALL_INIT;
    struct timespec deadline = long_ago();
    char *in = pattern(in_length);
    char *packet = capture_reply(payload, &length);
    call.request = *request;
    call.in = in;
    call.in_length = in_length;
    assert_int_equal(channel_pair(ends), 0);
    send_packet(ends[1], packet, length);
    int status = channel_call(ends[0], &call, &deadline);
    assert_null(call.out);
    close_ends(ends);
    free(packet);
    free(in);
    return status;
}

/* What no answer to the request can need is not waited for, and no memory is taken for it. */
static void test_more_than_was_asked_for(void **state)
{
    (void)state;
    enum { ENTRIES = 3000, SIZE = 4096 };
    static const struct {
        struct request request;
        uint64_t max;
    } rows[] = {
        {{.operation = OPERATION_FIND}, 0},
        {{.operation = OPERATION_SCAN}, ENTRIES},
        {{.operation = OPERATION_OPEN}, 0},
        {{.operation = OPERATION_READ, .size = SIZE}, SIZE},
        {{.operation = OPERATION_WRITE}, 0},
        {{.operation = OPERATION_WRITE, .report_forgets = true}, PAYLOAD_MAX},
        {{.operation = OPERATION_CLOSE}, 0},
        {{.operation = OPERATION_LEND}, 0},
        {{.operation = OPERATION_LEND_FILE}, 0},
        {{.operation = OPERATION_STOP}, 0},
        {{.operation = OPERATION_WRITE_CODE}, 0},
        {{.operation = OPERATION_RESUME}, 0},
        {{.operation = OPERATION_HOLD_TAKE}, SAVED_MAX},
        {{.operation = OPERATION_HOLD_KEEP}, 0},
        {{.operation = OPERATION_HOLD_GIVE}, 0},
        {{.operation = OPERATION_HOLD_FORGET}, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].max > 0)
            assert_int_equal(answer(&rows[i].request, ENTRIES, rows[i].max), -ETIMEDOUT);
        assert_int_equal(answer(&rows[i].request, ENTRIES, rows[i].max + 1), -EPIPE);
    }
}

static void test_a_sentence_without_an_end(void **state)
{
    (void)state;
    int ends[2];
    size_t length = 0;
    struct call call = CALL_INIT;
    struct timespec deadline = in_a_minute();
    char *packet = capture_reply(0, &length);
    assert_int_equal(channel_pair(ends), 0);
    send_packet(ends[1], packet, length);
    assert_int_equal(channel_call(ends[0], &call, &deadline), 0);
    assert_int_equal(strlen(call.reply.sentence.text), sizeof(call.reply.sentence.text) - 1);
    close_ends(ends);
    free(packet);
}

static void test_a_worker_that_has_gone(void **state)
{
    (void)state;
    int ends[2];
    struct call call = CALL_INIT;
    struct timespec deadline = in_a_minute();
    assert_int_equal(channel_pair(ends), 0);
    close(ends[1]);
    assert_int_equal(channel_call(ends[0], &call, &deadline), -EPIPE);
    close(ends[0]);
}

static void test_a_worker_that_ends_in_the_middle(void **state)
{
    (void)state;
    int ends[2];
    size_t length = 0;
    struct call call = CALL_INIT;
    struct timespec deadline = in_a_minute();
    call.request.operation = OPERATION_READ;
    call.request.size = 1000;
    char *packet = capture_reply(1000, &length);
    assert_int_equal(channel_pair(ends), 0);
    send_packet(ends[1], packet, length);
    assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
    assert_int_equal(channel_call(ends[0], &call, &deadline), -EPIPE);
    close_ends(ends);
    free(packet);
}

/* ---- time -------------------------------------------------------------------------------- */

static void test_no_answer(void **state)
{
    (void)state;
    int ends[2];
    struct call call = CALL_INIT;
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec = deadline.tv_nsec < 999999999 ? deadline.tv_nsec + 1 : deadline.tv_nsec;
    assert_int_equal(channel_pair(ends), 0);
    assert_int_equal(channel_call(ends[0], &call, &deadline), -ETIMEDOUT);
    deadline = long_ago();
    assert_int_equal(channel_call(ends[0], &call, &deadline), -ETIMEDOUT);
    assert_null(call.out);
    close_ends(ends);
}

static void test_half_an_answer(void **state)
{
    (void)state;
    int ends[2];
    size_t length = 0;
    struct call call = CALL_INIT;
    struct timespec deadline = long_ago();
    call.request.operation = OPERATION_READ;
    call.request.size = 1000;
    char *packet = capture_reply(1000, &length);
    assert_int_equal(channel_pair(ends), 0);
    send_packet(ends[1], packet, length);
    assert_int_equal(channel_call(ends[0], &call, &deadline), -ETIMEDOUT);
    assert_null(call.out);
    close_ends(ends);
    free(packet);
}

static void test_nobody_takes_the_payload(void **state)
{
    (void)state;
    int ends[2];
    struct call call = CALL_INIT;
    struct timespec deadline = long_ago();
    char *bytes = pattern(3 << 20); /* more than the socket holds */
    call.in = bytes;
    call.in_length = 3 << 20;
    assert_int_equal(channel_pair(ends), 0);
    assert_int_equal(channel_call(ends[0], &call, &deadline), -ETIMEDOUT);
    close_ends(ends);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_of_a_wrong_size),
        cmocka_unit_test(test_payloads_of_a_wrong_size),
        cmocka_unit_test(test_a_client_that_ends_in_the_middle),
        cmocka_unit_test(test_a_name_without_an_end),
        cmocka_unit_test(test_descriptors_of_a_wrong_number),
        cmocka_unit_test(test_two_descriptors_in_the_place_of_one),
        cmocka_unit_test(test_replies_of_a_wrong_size),
        cmocka_unit_test(test_replies_that_lie),
        cmocka_unit_test(test_more_than_was_asked_for),
        cmocka_unit_test(test_a_sentence_without_an_end),
        cmocka_unit_test(test_a_worker_that_has_gone),
        cmocka_unit_test(test_a_worker_that_ends_in_the_middle),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_half_an_answer),
        cmocka_unit_test(test_nobody_takes_the_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
