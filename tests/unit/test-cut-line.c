/* SPDX-License-Identifier: MIT */
/* Writes that do not end their line, cut into lines and what is left. */
#include "unit.h"

#include "server/cut-line.h"

#include <errno.h>

enum { LINE_MAX_LENGTH = 1 << 20, OWNER = 7 };

static struct cut_line cut;

/* Writes TEXT, and checks which lines that makes, and what is left of it. */
static void write_text(const char *text, const char *lines, const char *rest)
{
    struct cut_text result;
    struct probe_error error = {.text = ""};
    char *copy = exact_copy(text, strlen(text)); /* no NUL behind it */
    assert_int_equal(cut_line_join(&cut, OWNER, copy, strlen(text), &result, &error), 0);
    assert_int_equal(result.lines, strlen(lines));
    assert_memory_equal(result.bytes, lines, strlen(lines));
    assert_int_equal(result.rest.length, strlen(rest));
    if (*rest) {
        assert_memory_equal(result.rest.text, rest, strlen(rest));
        assert_int_equal(result.rest.owner, OWNER);
    }
    free(result.bytes);
    free(copy);
    cut = result.rest;
}

static int forget(void **state)
{
    (void)state;
    cut_line_free(&cut);
    return 0;
}

static void test_pieces(void **state)
{
    (void)state;
    write_text("1 a\n", "1 a\n", "");
    write_text("1 a\n0 b\n", "1 a\n0 b\n", "");
    write_text("", "", "");
    write_text("1 ", "", "1 ");
    write_text("", "", "1 ");
    write_text("a", "", "1 a");
    write_text("\n0", "1 a\n", "0");
    write_text(" b\n\n1 c", "0 b\n\n", "1 c");
    write_text("\n", "1 c\n", "");
}

static int write_long(size_t length, struct cut_text *text)
{
    struct probe_error error = {.text = ""};
    char *line = malloc(length);
    assert_non_null(line);
    memset(line, 'x', length);
    int status = cut_line_join(&cut, OWNER, line, length, text, &error);
    assert_int_equal(status < 0, error.text[0] != '\0');
    free(line);
    return status;
}

/* What is too long is refused, and nothing is left of it. */
static void test_a_line_without_an_end(void **state)
{
    (void)state;
    struct cut_text text;
    assert_int_equal(write_long(LINE_MAX_LENGTH, &text), 0);
    assert_int_equal(text.lines, 0);
    free(text.bytes);
    cut = text.rest;
    assert_int_equal(write_long(1, &text), -EINVAL);
    assert_int_equal(cut.length, 0);
    write_text("1 a\n", "1 a\n", "");
    assert_int_equal(write_long(LINE_MAX_LENGTH + 1, &text), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_pieces, forget),
        cmocka_unit_test_teardown(test_a_line_without_an_end, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
