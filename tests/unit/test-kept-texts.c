/* SPDX-License-Identifier: MIT */
/* What a worker keeps of texts that were read in part. */
#include "unit.h"

#include "service/kept-texts.h"

#include <errno.h>

enum { MANY = 1024, LIMIT = 32 << 20 };

static struct kept_texts texts;

static int begin(void **state)
{
    (void)state;
    return kept_texts_init(&texts);
}

static int end(void **state)
{
    (void)state;
    kept_texts_done(&texts);
    return 0;
}

static void put(uint64_t file, const char *text)
{
    kept_texts_put(&texts, file, exact_copy(text, strlen(text)), strlen(text));
}

static void put_large(uint64_t file, size_t length)
{
    char *bytes = calloc(1, length);
    assert_non_null(bytes);
    kept_texts_put(&texts, file, bytes, length);
}

/* Reads SIZE bytes at OFFSET; EXPECTED is NULL where nothing is kept. */
static void check(uint64_t file, uint64_t offset, size_t size, const char *expected, bool has_end)
{
    char *piece = NULL;
    size_t length = 0;
    bool ended = false;
    int status = kept_texts_copy(&texts, file, offset, size, &piece, &length, &ended);
    assert_int_equal(status, expected ? 0 : -ENOENT);
    if (!expected)
        return;
    assert_int_equal(length, strlen(expected));
    if (length > 0)
        assert_memory_equal(piece, expected, length);
    assert_int_equal(ended, has_end);
    free(piece);
}

static bool is_kept(uint64_t file)
{
    char *piece = NULL;
    size_t length = 0;
    bool ended = false;
    int status = kept_texts_copy(&texts, file, 0, 1, &piece, &length, &ended);
    free(piece);
    return status == 0;
}

static void test_pieces(void **state)
{
    (void)state;
    put(1, "0123456789");
    put(2, "abc");
    check(1, 4, 3, "456", false);
    check(1, 2, 3, "234", false); /* in any order */
    check(2, 1, 100, "bc", true);
    check(2, 1, 100, NULL, true); /* it was read to its end */
    check(1, 7, 3, "789", true);
    check(1, 7, 3, NULL, true);
    check(3, 0, 1, NULL, true);
}

static void test_past_the_end(void **state)
{
    (void)state;
    put(1, "abc");
    check(1, 3, 10, "", true);
    put(1, "abc");
    check(1, UINT64_MAX, 10, "", true);
}

static void test_another_text_of_a_file(void **state)
{
    (void)state;
    put(1, "first");
    put(1, "second");
    check(1, 1, 4, "econ", false);
    kept_texts_drop(&texts, 1);
    kept_texts_drop(&texts, 1);
    check(1, 1, 4, NULL, false);
}

static void test_limits(void **state)
{
    (void)state;
    for (uint64_t file = 1; file <= MANY; file++)
        put(file, "text");
    assert_true(is_kept(1));
    put(MANY + 1, "text");
    assert_false(is_kept(1));
    assert_true(is_kept(2));
    /* The newest is kept however large it is, and the others give way. */
    put_large(MANY + 2, (size_t)2 * LIMIT);
    assert_true(is_kept(MANY + 2));
    assert_false(is_kept(MANY + 1));
    put_large(MANY + 3, LIMIT / 2);
    put_large(MANY + 4, LIMIT / 2);
    assert_false(is_kept(MANY + 2));
    assert_true(is_kept(MANY + 3));
    assert_true(is_kept(MANY + 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces, begin, end),
        cmocka_unit_test_setup_teardown(test_past_the_end, begin, end),
        cmocka_unit_test_setup_teardown(test_another_text_of_a_file, begin, end),
        cmocka_unit_test_setup_teardown(test_limits, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
