/* SPDX-License-Identifier: MIT */
/* From records to lines: numbers, floats, strings, what could not be read. */
#include "unit.h"

#include "names/quote.h"
#include "watch/records.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* 2026-11-30 08:35:12.507468 UTC */
static const int64_t moment = INT64_C(1796027712507468999);

/* A record of the largest kind. */
union whole_record {
    struct watch_record record;
    struct {
        uint64_t head[sizeof(struct watch_record) / sizeof(uint64_t)];
        uint64_t values[WATCH_ARGUMENTS_MAX];
        struct watch_text texts[WATCH_ARGUMENTS_MAX];
    };
};

static struct record_reader reader;
static union whole_record whole;
static struct watch_format format;

static int begin(void **state)
{
    (void)state;
    reader = (struct record_reader){.mem = -1, .clock = {.second = -1}};
    whole = (union whole_record){.record = {.time = 999, .tid = 18561}};
    reader.clock_ahead = moment - 999;
    format = (struct watch_format){0};
    return 0;
}

/* One more argument; returns its index. */
static size_t argument(uint8_t size, bool is_signed, uint64_t value)
{
    size_t i = format.count++;
    format.shown = format.count;
    format.arguments[i] = (struct watch_argument){
        .understood = true, .is_signed = is_signed, .size = size, .width = size};
    whole.values[i] = value;
    return i;
}

/* One more string, which was read at the firing with this LENGTH, as the kernel says it. */
static void text(const char *bytes, int length)
{
    size_t i = argument(8, false, 0x7f0000001000);
    format.arguments[i].text = (uint8_t)(i + 1);
    whole.texts[i].length = length;
    memcpy(whole.texts[i].bytes, bytes, strlen(bytes) + 1);
}

static void expect(const char *arguments)
{
    char line[RECORD_LINE_MAX];
    char wanted[RECORD_LINE_MAX];
    size_t length = record_show(&reader, &whole.record, "web:hit", &format, line);
    line[length] = '\0';
    snprintf(wanted, sizeof(wanted), "2026-11-30T08:35:12.507468Z 18561 web:hit%s\n", arguments);
    assert_string_equal(line, wanted);
}

/* Texts stand behind as many values as the kind of record has. */
static void use_few_values(void)
{
    size_t values = format.count <= WATCH_PAIR ? WATCH_PAIR : WATCH_FEW;
    memmove(&whole.values[values], whole.texts, sizeof(whole.texts[0]));
}

static void test_no_arguments(void **state)
{
    (void)state;
    expect("");
}

static void test_numbers(void **state)
{
    (void)state;
    argument(1, true, 0x180);
    argument(1, false, 0x180);
    argument(2, true, 0xffff);
    argument(4, true, 0x80000000);
    argument(4, false, 0x180000000);
    argument(8, true, UINT64_MAX);
    argument(8, true, INT64_MAX);
    expect(" -128 128 -1 -2147483648 2147483648 -1 9223372036854775807");
}

static void test_eight_bytes_from_64_kib_on_are_hexadecimal(void **state)
{
    (void)state;
    argument(8, false, 65535);
    argument(8, false, 65536);
    argument(8, false, 0xABCDEF012345);
    argument(8, false, UINT64_MAX);
    argument(4, false, 0xffffffff);
    argument(8, true, 65536);
    argument(8, false, 0);
    expect(" 65535 0x10000 0xabcdef012345 0xffffffffffffffff 4294967295 65536 0");
}

static void test_floats(void **state)
{
    (void)state;
    const double numbers[] = {3.5, -1e100, 0.1, 1e-7};
    const float small = 0.1F;
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        uint64_t bits = 0;
        memcpy(&bits, &numbers[i], sizeof(bits));
        format.arguments[argument(8, i == 1, bits)].is_float = true;
    }
    uint32_t half = 0;
    memcpy(&half, &small, sizeof(half));
    format.arguments[argument(4, false, half)].is_float = true;
    expect(" 3.5 -1e+100 0.1 1e-07 0.1");
}

static void test_parts_of_registers(void **state)
{
    (void)state;
    size_t i = argument(1, true, 0xff80);
    format.arguments[i].shift = 8;
    i = argument(8, false, 0x500000007);
    format.arguments[i].width = 4;
    i = argument(8, true, 0xff);
    format.arguments[i].width = 1;
    expect(" -1 7 -1");
}

static void test_what_is_not_understood(void **state)
{
    (void)state;
    argument(4, true, 1);
    format.arguments[argument(4, true, 2)].understood = false;
    argument(4, true, 3);
    format.count = 5;
    expect(" 1 ? 3 ? ?");
}

static void test_strings(void **state)
{
    (void)state;
    text("create table x(a int);", 23);
    text("", 1);
    text("f\xc3\xbcr \"x\"\t\\\n", 13);
    text("\x01", 2);
    text("\xff\xfe", 3);
    /* More than four: the record is of the largest kind. */
    text("five", 5);
    expect(" \"create table x(a int);\" \"\" \"f\xc3\xbcr \\\"x\\\"\\t\\\\\\n\" 0x7f0000001000 "
           "0x7f0000001000 \"five\"");
}

static void test_one_string_among_few_values(void **state)
{
    (void)state;
    text("alone", 6);
    use_few_values();
    expect(" \"alone\"");
}

static void test_an_address_that_is_none(void **state)
{
    (void)state;
    text("not asked for", 0);
    whole.values[0] = 12;
    use_few_values();
    expect(" 12");
}

static void test_what_could_not_be_read_is_read_later(void **state)
{
    (void)state;
    char path[] = "/tmp/probefs-unit.XXXXXX";
    char bytes[256] = {0};
    static const char text_there[] = "on a page of its own";
    memcpy(bytes + 100, text_there, sizeof(text_there));
    memcpy(bytes + 140, &(int32_t){-7}, 4);
    int fd = mkstemp(path);
    unlink(path);
    /* Addresses begin where a string's may. */
    assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0x10000), sizeof(bytes));
    reader.mem = fd;

    text("", -14);
    whole.values[0] = 0x10000 + 100;
    whole.record.failed[argument(4, true, 0x10000 + 140)] = 1;
    whole.record.failed[argument(4, true, 0x90000)] = 1;
    use_few_values();
    expect(" \"on a page of its own\" -7 ?");

    /* A string that ends with the memory, without a NUL, is none. */
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0x10000), sizeof(bytes));
    whole.values[0] = 0x10000 + sizeof(bytes) - 10;
    expect(" 0x100f6 2021161080 ?");
    close(fd);
}

static void expect_quote(const char *bytes, size_t length, const char *expected)
{
    char out[QUOTE_ROOM(64) + 1];
    char *copy = exact_copy(bytes, length);
    size_t used = text_quote(copy, length, 64, out);
    free(copy);
    assert_true(used < sizeof(out));
    out[used] = '\0';
    assert_string_equal(out, expected);
}

static void test_long_strings_are_cut_at_a_character(void **state)
{
    (void)state;
#define SIXTY "012345678901234567890123456789012345678901234567890123456789"
    expect_quote(SIXTY "abcd", 64, "\"" SIXTY "abcd\"");
    expect_quote(SIXTY "abcde", 65, "\"" SIXTY "abcd\"...");
    expect_quote(SIXTY "abc\xc3\xbc", 65, "\"" SIXTY "abc\"...");
    expect_quote(SIXTY "ab\xe2\x82\xac", 65, "\"" SIXTY "ab\"...");
    /* Cut within a character: the reader has no more of it. */
    expect_quote(SIXTY "ab\xf0\x9f\x92", 65, "\"" SIXTY "ab\"...");
    expect_quote(SIXTY "abcd\xc3", 65, "\"" SIXTY "abcd\"...");
    /* Not cut, but broken. */
    expect_quote("ab\xc3", 3, "");
    expect_quote("ab\xf0\x9f\x92", 5, "");
    expect_quote(SIXTY "\xe2\x82xyz", 65, "");
}

static void test_what_a_terminal_would_act_on_is_no_string(void **state)
{
    (void)state;
    expect_quote("a\x1b[2J", 5, "");
    expect_quote("a\x7f", 2, "");
    expect_quote("\xc2\x9b", 2, "");
    static const char turned[] = {(char)0xe2, (char)0x80, (char)0xae};
    expect_quote(turned, sizeof(turned), "");
    expect_quote("a\rb", 3, "\"a\\rb\"");
    char escaped[64];
    char expected[2 * sizeof(escaped) + 3] = "";
    memset(escaped, '\n', sizeof(escaped));
    expected[0] = expected[sizeof(expected) - 2] = '"';
    for (size_t i = 0; i < sizeof(escaped); i++)
        memcpy(expected + 1 + 2 * i, "\\n", 2);
    expect_quote(escaped, sizeof(escaped), expected);
}

static void test_times(void **state)
{
    (void)state;
    struct line_clock clock = {.second = -1};
    char shown[64];
    *line_put_time(shown, &clock, 0) = '\0';
    assert_string_equal(shown, "1970-01-01T00:00:00.000000Z");
    *line_put_time(shown, &clock, 999999999) = '\0';
    assert_string_equal(shown, "1970-01-01T00:00:00.999999Z");
    *line_put_time(shown, &clock, moment) = '\0';
    assert_string_equal(shown, "2026-11-30T08:35:12.507468Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_no_arguments, begin),
        cmocka_unit_test_setup(test_numbers, begin),
        cmocka_unit_test_setup(test_eight_bytes_from_64_kib_on_are_hexadecimal, begin),
        cmocka_unit_test_setup(test_floats, begin),
        cmocka_unit_test_setup(test_parts_of_registers, begin),
        cmocka_unit_test_setup(test_what_is_not_understood, begin),
        cmocka_unit_test_setup(test_strings, begin),
        cmocka_unit_test_setup(test_one_string_among_few_values, begin),
        cmocka_unit_test_setup(test_an_address_that_is_none, begin),
        cmocka_unit_test_setup(test_what_could_not_be_read_is_read_later, begin),
        cmocka_unit_test(test_long_strings_are_cut_at_a_character),
        cmocka_unit_test(test_what_a_terminal_would_act_on_is_no_string),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
