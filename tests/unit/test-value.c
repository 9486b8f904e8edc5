/* SPDX-License-Identifier: MIT */
/* What may be written into files: all of the texts that are values, and many that are not. */
#include "unit.h"

#include "nodes/value.h"

#include <errno.h>

typedef int parse(const char *text, size_t length, struct value *value, struct probe_error *error);

static void check_good(parse *function, const char *text, enum probe_action action,
                       unsigned int number)
{
    struct value value = {PROBE_COUNT_SET, 77777};
    struct probe_error error = {.text = ""};
    char *copy = exact_copy(text, strlen(text));
    int status = function(copy, strlen(text), &value, &error);
    if (status != 0)
        fail_msg("'%s': status %d", text, status);
    if (value.action != action || value.number != number)
        fail_msg("'%s': action %d, number %u", text, (int)value.action, value.number);
    free(copy);
}

static void check_bad(parse *function, const char *text, size_t length, int errnum)
{
    struct value value = {PROBE_COUNT_SET, 77777};
    struct probe_error error = {.text = ""};
    char *copy = exact_copy(text, length);
    int status = function(copy, length, &value, &error);
    if (status != -errnum)
        fail_msg("'%.*s': status %d", (int)length, text, status);
    assert_true(error.text[0] != '\0');
    assert_int_equal(value.action, PROBE_COUNT_SET);
    assert_int_equal(value.number, 77777);
    free(copy);
}

/* No value anywhere. */
static const struct {
    const char *text;
    size_t length;
} nonsense[] = {
    {"\n\n", 2},  {"X", 1},      {"x", 1},      {"1 ", 2},  {" 1", 2},  {"1\r\n", 3},
    {"1\n\n", 3}, {"1\n1\n", 4}, {"\n1", 2},    {"1\0", 2}, {"\0", 1},  {"\0\n", 2},
    {"on", 2},    {"yes\n", 4},  {"0x1", 3},    {"1.0", 3}, {"1e3", 3}, {"\xef\xbc\x91", 3},
    {"+", 1},     {"-", 1},      {"+2", 2},     {"-2", 2},  {"+0", 2},  {"-0", 2},
    {"+10", 3},   {"+1 ", 3},    {"+1\n\n", 4}, {"++1", 3}, {"--1", 3}, {"+-1", 3},
    {"=", 1},     {"=\n", 2},    {"==1", 3},    {"=+1", 3}, {"=-1", 3}, {"= 1", 3},
    {"=1 ", 3},   {"=1x", 3},    {"=0x1", 4},   {"1=", 2},  {"=\0", 2}, {"+1\0", 3},
};

static void check_nonsense(parse *function)
{
    for (size_t i = 0; i < ARRAY_LENGTH(nonsense); i++)
        check_bad(function, nonsense[i].text, nonsense[i].length, EINVAL);
}

static void test_switch(void **state)
{
    (void)state;
    check_good(value_parse_switch, "0", PROBE_SWITCH_OFF, 0);
    check_good(value_parse_switch, "1", PROBE_SWITCH_ON, 0);
    check_good(value_parse_switch, "0\n", PROBE_SWITCH_OFF, 0);
    check_good(value_parse_switch, "1\n", PROBE_SWITCH_ON, 0);
    check_nonsense(value_parse_switch);
    check_bad(value_parse_switch, "", 0, EINVAL);
    check_bad(value_parse_switch, "\n", 1, EINVAL);
    check_bad(value_parse_switch, "2", 1, EINVAL);
    check_bad(value_parse_switch, "00", 2, EINVAL);
    check_bad(value_parse_switch, "01", 2, EINVAL);
    check_bad(value_parse_switch, "10", 2, EINVAL);
    check_bad(value_parse_switch, "+1", 2, EINVAL);
    check_bad(value_parse_switch, "=1", 2, EINVAL);
    for (unsigned int byte = 0; byte < 256; byte++) {
        const char text = (char)byte;
        if (byte != '0' && byte != '1')
            check_bad(value_parse_switch, &text, 1, EINVAL);
    }
}

static void test_count(void **state)
{
    (void)state;
    check_good(value_parse_count, "+1", PROBE_COUNT_ADD, 0);
    check_good(value_parse_count, "-1\n", PROBE_COUNT_SUBTRACT, 0);
    check_good(value_parse_count, "0", PROBE_COUNT_SET, 0);
    check_good(value_parse_count, "1\n", PROBE_COUNT_SET, 1);
    check_good(value_parse_count, "007", PROBE_COUNT_SET, 7);
    check_good(value_parse_count, "32768", PROBE_COUNT_SET, 32768);
    check_good(value_parse_count, "65535\n", PROBE_COUNT_SET, 65535);
    check_good(value_parse_count, "00000000000000000000065535", PROBE_COUNT_SET, 65535);
    check_bad(value_parse_count, "65536", 5, ERANGE);
    check_bad(value_parse_count, "4294967296", 10, ERANGE);
    check_bad(value_parse_count, "4294967297\n", 11, ERANGE);
    check_bad(value_parse_count, "18446744073709551617", 20, ERANGE);
    check_bad(value_parse_count, "99999999999999999999x", 21, EINVAL);
    check_nonsense(value_parse_count);
    check_bad(value_parse_count, "", 0, EINVAL);
    check_bad(value_parse_count, "\n", 1, EINVAL);
    check_bad(value_parse_count, "=1", 2, EINVAL);
}

static void test_command(void **state)
{
    (void)state;
    check_good(value_parse_command, "0", PROBE_SWITCH_OFF, 0);
    check_good(value_parse_command, "1", PROBE_SWITCH_ON, 0);
    check_good(value_parse_command, "+1", PROBE_COUNT_ADD, 0);
    check_good(value_parse_command, "-1", PROBE_COUNT_SUBTRACT, 0);
    check_good(value_parse_command, "=0", PROBE_COUNT_SET, 0);
    check_good(value_parse_command, "=1", PROBE_COUNT_SET, 1);
    check_good(value_parse_command, "=65535", PROBE_COUNT_SET, 65535);
    check_bad(value_parse_command, "=65536", 6, ERANGE);
    check_bad(value_parse_command, "=18446744073709551617", 21, ERANGE);
    check_nonsense(value_parse_command);
    /* It is a word of a line: no newline belongs to it. */
    check_bad(value_parse_command, "1\n", 2, EINVAL);
    check_bad(value_parse_command, "+1\n", 3, EINVAL);
    check_bad(value_parse_command, "2", 1, EINVAL);
    check_bad(value_parse_command, "00", 2, EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
