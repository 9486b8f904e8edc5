/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "nodes/control-lines.h"

#include <errno.h>

static int parse(const char *text, size_t length, struct control *control,
                 struct probe_error *error)
{
    char *copy = exact_copy(text, length); /* no NUL behind it */
    int status = control_parse(copy, length, control, error);
    free(copy);
    return status;
}

static void check_command(const struct control *control, size_t i, enum probe_action action,
                          unsigned int number, const char *pattern, unsigned int line)
{
    assert_true(i < control->count);
    assert_int_equal(control->commands[i].value.action, action);
    assert_int_equal(control->commands[i].value.number, number);
    assert_string_equal(control->commands[i].pattern, pattern);
    assert_int_equal(control->commands[i].line.number, line);
}

static void test_lines(void **state)
{
    (void)state;
    static const char text[] = "1 gc_start gc_*\n"
                               "\n"
                               "# a comment\n"
                               "  \t 0\t~^web:  a,b \t # the rest\n"
                               "+1 x#y\n"
                               "-1 %23\n"
                               "=12 last";
    struct control control;
    struct probe_error error = {.text = ""};
    assert_int_equal(parse(text, strlen(text), &control, &error), 0);
    assert_int_equal(control.count, 7);
    check_command(&control, 0, PROBE_SWITCH_ON, 0, "gc_start", 1);
    check_command(&control, 1, PROBE_SWITCH_ON, 0, "gc_*", 1);
    check_command(&control, 2, PROBE_SWITCH_OFF, 0, "~^web:", 4);
    check_command(&control, 3, PROBE_SWITCH_OFF, 0, "a,b", 4);
    check_command(&control, 4, PROBE_COUNT_ADD, 0, "x#y", 5);
    check_command(&control, 5, PROBE_COUNT_SUBTRACT, 0, "%23", 6);
    check_command(&control, 6, PROBE_COUNT_SET, 12, "last", 7);
    control_done(&control);
    assert_null(control.commands);
    assert_int_equal(control.count, 0);
}

static void test_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "\n\n\n", " \t \n", "#", "#\n", "# 1 x\n#2\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct control control = {.count = 9};
        struct probe_error error = {.text = ""};
        assert_int_equal(parse(texts[i], strlen(texts[i]), &control, &error), 0);
        assert_int_equal(control.count, 0);
        control_done(&control);
    }
}

static void test_what_is_wrong_is_named_by_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int errnum;
        const char *line;
    } rows[] = {
        {"1\n", EINVAL, "line 1 (\"1\"): "},
        {"1", EINVAL, "line 1 (\"1\"): "},
        {"1 x\n0 # x\n", EINVAL, "line 2 (\"0 # x\"): "},
        {"1 x\n\n\nx 1\n", EINVAL, "line 4 (\"x 1\"): "},
        {"2 x\n", EINVAL, "line 1 (\"2 x\"): "},
        {"on x\n", EINVAL, "line 1 (\"on x\"): "},
        {"1 x\n=65536 x\n1 y\n", ERANGE, "line 2 (\"=65536 x\"): "},
        {"1 x\r\n1\r\n", EINVAL, "line 2 (\"1%0D\"): "},
        {"x 3456789 123456789 123456789 123456789 1", EINVAL, "9 123456789 \"...): "},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct control control = {.count = 9};
        struct probe_error error = {.text = ""};
        assert_int_equal(parse(rows[i].text, strlen(rows[i].text), &control, &error),
                         -rows[i].errnum);
        assert_sentence(error, rows[i].line);
        assert_int_equal(control.count, 9);
    }
}

static void test_a_nul_is_refused(void **state)
{
    (void)state;
    struct control control;
    struct probe_error error = {.text = ""};
    assert_int_equal(parse("1 x\0y\n", 6, &control, &error), -EINVAL);
    assert_int_equal(parse("\0", 1, &control, &error), -EINVAL);
    assert_int_equal(parse("1 x\n\0", 5, &control, &error), -EINVAL);
    assert_true(error.text[0] != '\0');
}

static void test_many(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    char *text = malloc(COUNT * 3 + 2);
    struct control control;
    struct probe_error error;
    assert_non_null(text);
    memcpy(text, "1 ", 2);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(text + 2 + i * 3, "ab ", 3);
    assert_int_equal(parse(text, COUNT * 3 + 2, &control, &error), 0);
    assert_int_equal(control.count, COUNT);
    check_command(&control, COUNT - 1, PROBE_SWITCH_ON, 0, "ab", 1);
    control_done(&control);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_what_is_wrong_is_named_by_its_line),
        cmocka_unit_test(test_a_nul_is_refused),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
