/* SPDX-License-Identifier: MIT */
/* What a worker sends for a stream: lines, its end, its death, and lies. */
#include "unit.h"

#include "server/stream-input.h"
#include "service/stream-packet.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct stage {
    int worker; /* its end */
    struct stream_input input;
};

static int begin(void **state)
{
    static struct stage stage;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    stage.worker = ends[1];
    stream_input_init(&stage.input, ends[0], 1234);
    *state = &stage;
    return 0;
}

static int end(void **state)
{
    struct stage *stage = *state;
    close(stage->worker);
    close(stage->input.socket);
    stream_input_done(&stage->input);
    return 0;
}

static void send_packet(struct stage *stage, char kind, const void *bytes, size_t length)
{
    static char packet[2 * STREAM_PACKET_MAX];
    packet[0] = kind;
    memcpy(packet + 1, bytes, length);
    assert_int_equal(send(stage->worker, packet, length + 1, 0), length + 1);
}

static void send_lines(struct stage *stage, const char *lines)
{
    send_packet(stage, STREAM_LINES, lines, strlen(lines));
}

/* The next take of SIZE bytes gives EXPECTED. */
static void takes(struct stage *stage, size_t size, const char *expected)
{
    char bytes[256] = "";
    assert_true(size < sizeof(bytes));
    assert_int_equal(stream_input_take(&stage->input, bytes, size), strlen(expected));
    assert_string_equal(bytes, expected);
}

static void ends_with(struct stage *stage, int status, const char *sentence)
{
    assert_true(stream_input_is_ready(&stage->input));
    takes(stage, 100, "");
    assert_true(stage->input.has_ended);
    assert_int_equal(stage->input.status, status);
    assert_string_equal(stage->input.sentence.text, sentence);
}

static void test_nothing_has_come(void **state)
{
    struct stage *stage = *state;
    assert_false(stream_input_is_ready(&stage->input));
    takes(stage, 100, "");
    assert_false(stage->input.has_ended);
}

static void test_whole_lines_are_handed_over(void **state)
{
    struct stage *stage = *state;
    send_lines(stage, "one 1\ntwo 2\n");
    send_lines(stage, "three 3\n");
    assert_true(stream_input_is_ready(&stage->input));
    takes(stage, 10, "one 1\n");
    /* Of two packets at once, but no part of a line behind another. */
    takes(stage, 10, "two 2\n");
    takes(stage, 100, "three 3\n");
    assert_false(stream_input_is_ready(&stage->input));
    send_lines(stage, "four 4\n");
    send_lines(stage, "five 5\n");
    takes(stage, 100, "four 4\nfive 5\n");
}

static void test_a_line_longer_than_the_buffer_comes_in_parts(void **state)
{
    struct stage *stage = *state;
    send_lines(stage, "a long line\nnext\n");
    takes(stage, 4, "a lo");
    takes(stage, 4, "ng l");
    takes(stage, 100, "ine\nnext\n");
}

static void test_control_bytes_do_not_pass(void **state)
{
    struct stage *stage = *state;
    send_lines(stage, "a\033[31mb\n");
    char bytes[32] = "";
    assert_int_equal(stream_input_take(&stage->input, bytes, sizeof(bytes)), 8);
    assert_null(strchr(bytes, '\033'));
}

static void test_an_end_is_told_after_the_lines(void **state)
{
    struct stage *stage = *state;
    struct stream_end last = {.error = 0, .sentence = {.text = "over"}};
    send_lines(stage, "one 1\n");
    send_packet(stage, STREAM_ENDS, &last, sizeof(last));
    takes(stage, 100, "one 1\n");
    ends_with(stage, 0, "over");
}

static void test_a_worker_that_dies_is_an_error(void **state)
{
    struct stage *stage = *state;
    send_lines(stage, "one 1\n");
    shutdown(stage->worker, SHUT_WR);
    takes(stage, 100, "one 1\n");
    ends_with(stage, -EIO,
              "process 1234: its user's worker has ended, and with it what was watched");
}

static void test_a_lying_worker_is_an_error(void **state)
{
    struct stage *stage = *state;
    struct stream_end last = {.error = 1 << 20};
    /* A sentence without an end, that would move a cursor; an errno value that is none. */
    memset(last.sentence.text, '\033', sizeof(last.sentence.text));
    send_packet(stage, STREAM_ENDS, &last, sizeof(last));
    assert_true(stream_input_is_ready(&stage->input));
    assert_int_equal(stage->input.status, -EIO);
    assert_null(strchr(stage->input.sentence.text, '\033'));
    /* Nothing comes behind an end. */
    send_lines(stage, "more\n");
    takes(stage, 100, "");
}

static void test_packets_that_make_no_sense(void **state)
{
    struct stage *stage = *state;
    send_packet(stage, STREAM_ENDS, "short", 5);
    ends_with(stage, -EIO, "process 1234: its user's worker makes no sense");
    end(state);
    begin(state);
    send_packet(stage, '?', "", 0);
    ends_with(stage, -EIO, "process 1234: its user's worker makes no sense");
    end(state);
    begin(state);
    static char big[STREAM_PACKET_MAX];
    send_packet(stage, STREAM_LINES, big, sizeof(big));
    ends_with(stage, -EIO,
              "process 1234: its user's worker has ended, and with it what was watched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_has_come, begin, end),
        cmocka_unit_test_setup_teardown(test_whole_lines_are_handed_over, begin, end),
        cmocka_unit_test_setup_teardown(test_a_line_longer_than_the_buffer_comes_in_parts, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_control_bytes_do_not_pass, begin, end),
        cmocka_unit_test_setup_teardown(test_an_end_is_told_after_the_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_a_worker_that_dies_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(test_a_lying_worker_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(test_packets_that_make_no_sense, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
