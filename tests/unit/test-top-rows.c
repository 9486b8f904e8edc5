/* SPDX-License-Identifier: MIT */
/* What probe-top makes of the text of the tree's files. */
#include "unit.h"

#include "probe-top/rows.h"

#include <stdio.h>

static const struct timespec start = {100, 0};

/* Rows of process 7, as `info` and `hits` (NULL: none) give them, SECONDS after the start. */
static struct rows read_rows(const char *info, const char *hits, time_t seconds)
{
    struct rows rows = {NULL, 0, 0};
    const struct timespec when = {start.tv_sec + seconds, 0};
    char *copy = exact_copy(info, strlen(info) + 1);
    assert_int_equal(rows_add_info(&rows, 7, "program", copy), 0);
    rows_sort(&rows, 0, COLUMN_PID);
    if (hits)
        rows_take_hits(&rows, 0, hits, &when);
    free(copy);
    return rows;
}

static const struct row *row_of(const struct rows *rows, const char *name)
{
    size_t index = rows_find(rows, 7, name);
    assert_true(index < rows->count);
    return &rows->list[index];
}

static void assert_line(const struct row *row, const char *expected)
{
    char line[LINE_SIZE];
    row_print(row, false, line);
    assert_string_equal(line, expected);
}

static void assert_rate(const struct row *row, double expected)
{
    if (row->rate < expected - 0.001 || row->rate > expected + 0.001)
        fail_msg("%s: rate %f, not %f", row->name, row->rate, expected);
}

static void test_info(void **state)
{
    (void)state;
    struct rows rows = read_rows("1 2 3 web:query\n- - 1 web:silent\nX 0,1 2 gc", NULL, 0);
    assert_int_equal(rows.count, 3);
    assert_line(&rows.list[0], "7 program X - - gc");
    assert_line(&rows.list[1], "7 program 1 - - web:query");
    assert_line(&rows.list[2], "7 program - - - web:silent");
    rows_free(&rows);
}

static void test_lines_of_no_format(void **state)
{
    (void)state;
    struct rows rows = read_rows("\n1\n 1\nname \n\n0 0 1 last\n", "\n5\nx\n 5 last\n", 0);
    assert_int_equal(rows.count, 1);
    assert_string_equal(rows.list[0].name, "last");
    rows_free(&rows);
    rows = read_rows("", "5 last\n", 0);
    assert_int_equal(rows.count, 0);
    rows_free(&rows);
}

static void test_hits(void **state)
{
    (void)state;
    struct rows rows = read_rows("0 0 1 a\n0 0 1 b\n0 0 1 c\n",
                                 "18446744073709551615 c\n0 a\n9 of_an_earlier_look\n", 0);
    assert_line(row_of(&rows, "a"), "7 program 0 - 0 a");
    assert_line(row_of(&rows, "b"), "7 program 0 - - b");
    assert_line(row_of(&rows, "c"), "7 program 0 - 18446744073709551615 c");
    rows_free(&rows);
}

static void test_hits_are_of_their_process(void **state)
{
    (void)state;
    struct rows rows = read_rows("0 0 1 a\n", NULL, 0);
    assert_int_equal(rows_add_info(&rows, 8, "other", "0 0 1 a\n"), 0);
    rows_take_hits(&rows, 1, "4 a\n", &start);
    assert_false(rows.list[0].is_counted);
    assert_true(rows.list[1].is_counted);
    assert_int_equal(rows.list[1].total, 4);
    rows_free(&rows);
}

static void test_rates(void **state)
{
    (void)state;
    const char *info = "0 0 1 a\n0 0 1 again\n0 0 1 begun\n0 0 1 ended\n0 0 1 idle\n";
    struct rows before = read_rows(info, "10 a\n9 again\n1 ended\n5 idle\n", 0);
    struct rows rows = read_rows(info, "25 a\n2 again\n7 begun\n5 idle\n", 2);
    rows_compare(&rows, &before);
    assert_rate(row_of(&rows, "a"), 7.5);
    assert_rate(row_of(&rows, "idle"), 0);
    assert_rate(row_of(&rows, "again"), -1);
    assert_rate(row_of(&rows, "begun"), -1);
    assert_rate(row_of(&rows, "ended"), -1);
    assert_line(row_of(&rows, "a"), "7 program 0 7.5 25 a");
    rows_free(&before);
    /* At the same moment nobody knows; and there may have been no look before. */
    struct rows same = read_rows(info, "26 a\n", 2);
    rows_compare(&same, &rows);
    assert_rate(row_of(&same, "a"), -1);
    rows_compare(&same, &before);
    rows_free(&same);
    rows_free(&rows);
}

/* The names in this order, each as long as a letter. */
static void assert_order(struct rows *rows, enum column column, const char *expected)
{
    char names[16] = "";
    rows_sort(rows, 0, column);
    for (size_t i = 0; i < rows->count; i++)
        names[i] = rows->list[i].name[0];
    assert_string_equal(names, expected);
}

static void test_sorting(void **state)
{
    (void)state;
    struct rows rows = read_rows("0 0 1 c\n1 1 1 a\n- - 1 b\nX 0,1 1 d\n", "3 b\n0 c\n7 d\n", 0);
    assert_int_equal(rows_add_info(&rows, 6, "another", "0 0 1 e\n"), 0);
    rows.list[rows_find(&rows, 7, "c")].rate = 0;
    rows.list[rows_find(&rows, 7, "b")].rate = 2;
    assert_order(&rows, COLUMN_PID, "eabcd");
    assert_order(&rows, COLUMN_PROGRAM, "eabcd");
    assert_order(&rows, COLUMN_STATE, "daecb");
    assert_order(&rows, COLUMN_RATE, "bcead");
    assert_order(&rows, COLUMN_TOTAL, "dbcea");
    assert_order(&rows, COLUMN_PROBE, "abcde");
    rows_free(&rows);
}

static void assert_program(const char *path, const char *expected)
{
    char *name = program_name(path);
    assert_non_null(name);
    assert_string_equal(name, expected);
    free(name);
}

static void test_program_names(void **state)
{
    (void)state;
    assert_program("/usr/bin/server", "server");
    assert_program("server", "server");
    assert_program("/usr/bin/server (deleted)", "server%20(deleted)");
    assert_program("/tmp/\033[31m\n100%\177\303\251", "%1B[31m%0A100%25%7F%C3%A9");
    assert_program("/", "");
}

/* The screen's lines have the same columns, as long as numbers fit. */
static void test_columns(void **state)
{
    (void)state;
    char head[LINE_SIZE];
    char line[LINE_SIZE];
    struct rows rows = read_rows("1 1 1 probe\n", "4294967296 probe\n", 0);
    rows.list[0].rate = 1234567.25;
    row_print(NULL, true, head);
    row_print(&rows.list[0], true, line);
    assert_int_equal(strstr(head, "PROBE") - head, strstr(line, "probe") - line);
    assert_string_equal(line, "      7 program             1  1234567.2   4294967296 probe");
    row_print(NULL, false, head);
    assert_string_equal(head, "PID PROGRAM STATE RATE TOTAL PROBE");
    rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),          cmocka_unit_test(test_lines_of_no_format),
        cmocka_unit_test(test_hits),          cmocka_unit_test(test_hits_are_of_their_process),
        cmocka_unit_test(test_rates),         cmocka_unit_test(test_sorting),
        cmocka_unit_test(test_program_names), cmocka_unit_test(test_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
