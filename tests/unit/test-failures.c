/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "server/failures.h"

#include <errno.h>

/* All lines as they are printed, to be freed. */
static char *print(struct failures *failures, size_t *lines)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    failures_print(failures, out);
    assert_int_equal(fclose(out), 0);
    *lines = 0;
    for (size_t i = 0; i < length; i++)
        *lines += text[i] == '\n';
    if (length > 0)
        assert_int_equal(text[length - 1], '\n');
    return text;
}

static void add_to(struct failures *failures, enum failure_share share, const char *reason)
{
    const struct caller caller = {.pid = 77, .uid = 1000};
    struct probe_error error = {.text = ""};
    snprintf(error.text, sizeof(error.text), "%s", reason);
    failures_add(failures, share, &caller, "write \"2\" to 'gc/enabled'", -EINVAL, &error);
}

static void add(struct failures *failures, const char *reason)
{
    add_to(failures, FAILURE_OF_USER, reason);
}

static void test_a_whole_sentence(void **state)
{
    (void)state;
    struct failures failures;
    size_t lines = 0;
    failures_init(&failures);
    char *text = print(&failures, &lines);
    assert_string_equal(text, "");
    free(text);
    add(&failures, "that is no value");
    text = print(&failures, &lines);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(text, "1000"));
    assert_non_null(strstr(text, "77"));
    assert_non_null(strstr(text, "write \"2\" to 'gc/enabled'"));
    assert_non_null(strstr(text, "EINVAL"));
    assert_non_null(strstr(text, "that is no value"));
    free(text);
    failures_done(&failures);
}

static void test_an_error_without_a_sentence(void **state)
{
    (void)state;
    struct failures failures;
    size_t lines = 0;
    failures_init(&failures);
    add(&failures, "");
    char *text = print(&failures, &lines);
    assert_non_null(strstr(text, strerror(EINVAL)));
    free(text);
    failures_done(&failures);
}

static void test_the_last_ones_are_kept(void **state)
{
    (void)state;
    struct failures failures;
    size_t lines = 0;
    failures_init(&failures);
    for (unsigned int i = 1; i <= 3 * FAILURES_MAX + 5; i++) {
        char reason[32];
        snprintf(reason, sizeof(reason), "reason <%u>", i);
        add(&failures, reason);
        char *text = print(&failures, &lines);
        assert_int_equal(lines, i < FAILURES_MAX ? i : FAILURES_MAX);
        /* The newest is the last line. */
        text[strlen(text) - 1] = '\0';
        const char *newline = strrchr(text, '\n');
        assert_non_null(strstr(newline ? newline : text, reason));
        if (i > FAILURES_MAX) {
            snprintf(reason, sizeof(reason), "<%u>", i - FAILURES_MAX);
            assert_null(strstr(text, reason));
        }
        free(text);
    }
    failures_done(&failures);
}

static void test_once(void **state)
{
    (void)state;
    struct failures failures;
    size_t lines = 0;
    failures_init(&failures);
    failures_add_once(&failures, "object 'a' is not used");
    failures_add_once(&failures, "object 'b' is not used");
    failures_add_once(&failures, "object 'a' is not used");
    free(print(&failures, &lines));
    assert_int_equal(lines, 2);
    failures_done(&failures);
}

static void test_a_long_one(void **state)
{
    (void)state;
    struct failures failures;
    size_t lines = 0;
    struct probe_error error;
    const struct caller caller = {.pid = 77};
    char what[4096];
    failures_init(&failures);
    memset(error.text, 'r', sizeof(error.text) - 1);
    error.text[sizeof(error.text) - 1] = '\0';
    memset(what, 'w', sizeof(what) - 1);
    what[sizeof(what) - 1] = '\0';
    failures_add(&failures, FAILURE_OF_USER, &caller, what, -EIO, &error);
    free(print(&failures, &lines));
    assert_int_equal(lines, 1);
    failures_done(&failures);
}

/* Adds COUNT lines that say WHO and their number. */
static void add_some(struct failures *failures, enum failure_share share, const char *who,
                     unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        char reason[32];
        snprintf(reason, sizeof(reason), "%s <%u>", who, i);
        add_to(failures, share, reason);
    }
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)); text++)
        count++;
    return count;
}

static void test_strangers_displace_nobody(void **state)
{
    (void)state;
    struct failures failures;
    size_t lines = 0;
    failures_init(&failures);
    add_some(&failures, FAILURE_OF_STRANGER, "early", 5);
    add_some(&failures, FAILURE_OF_USER, "user", FAILURES_MAX);
    add_some(&failures, FAILURE_OF_STRANGER, "stranger", 3 * FAILURES_MAX);
    char *text = print(&failures, &lines);
    assert_int_equal(count_of(text, "user <"), FAILURES_MAX);
    assert_int_equal(count_of(text, "stranger <"), FAILURES_OF_STRANGERS);
    assert_non_null(strstr(text, "stranger <191>"));
    free(text);
    failures_done(&failures);
}

static void test_strangers_have_the_room_that_is_left(void **state)
{
    (void)state;
    struct failures failures;
    size_t lines = 0;
    failures_init(&failures);
    add_some(&failures, FAILURE_OF_STRANGER, "early", 1);
    add_some(&failures, FAILURE_OF_USER, "user", 2);
    add_some(&failures, FAILURE_OF_STRANGER, "late", 1);
    char *text = print(&failures, &lines);
    assert_int_equal(lines, 4);
    /* In the order of time. */
    assert_true(strstr(text, "early <0>") < strstr(text, "user <0>"));
    assert_true(strstr(text, "user <1>") < strstr(text, "late <0>"));
    free(text);
    add_some(&failures, FAILURE_OF_STRANGER, "last", FAILURES_MAX);
    text = print(&failures, &lines);
    assert_int_equal(lines, FAILURES_MAX);
    assert_int_equal(count_of(text, "user <"), 2);
    free(text);
    failures_done(&failures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_sentence),
        cmocka_unit_test(test_an_error_without_a_sentence),
        cmocka_unit_test(test_the_last_ones_are_kept),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_a_long_one),
        cmocka_unit_test(test_strangers_displace_nobody),
        cmocka_unit_test(test_strangers_have_the_room_that_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
