/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "update/reference.h"

#include <errno.h>

enum { COUNTERS = 2, MAX = 512 };

/* In words of 8 bytes: a counter, what stands before the first, and all without the name. */
enum {
    WORDS = sizeof(struct taken) / 8,
    HEAD = 2 + sizeof(struct origin) / 8,
    ALL = HEAD + COUNTERS * WORDS,
};

/*
 * A saved reference as it is: how many counters, the length of the name, where it is from, the
 * counters, the name.
 */
static size_t make(char *bytes, uint64_t count, uint64_t name_length, uint64_t first,
                   uint64_t second)
{
    uint64_t words[ALL] = {count, name_length};
    for (size_t i = 2; i < ALL; i++)
        words[i] = i;
    words[HEAD] = first;
    words[HEAD + WORDS] = second;
    memcpy(bytes, words, sizeof(words));
    memcpy(bytes + sizeof(words), "gc", 2);
    return sizeof(words) + 2;
}

/* Restores LENGTH bytes, and saves what came of them. */
static void check_saved(const char *bytes, size_t length, const char *expected)
{
    struct probe_reference *reference = NULL;
    char *saved = NULL;
    size_t saved_length = 0;
    assert_int_equal(probe_reference_restore(bytes, length, &reference), 0);
    assert_int_equal(probe_reference_save(reference, &saved, &saved_length), 0);
    assert_int_equal(saved_length, length);
    assert_memory_equal(saved, expected, length);
    free(saved);
    probe_reference_free(reference);
}

static void test_what_was_saved_is_restored(void **state)
{
    (void)state;
    char bytes[MAX];
    char turned[MAX];
    size_t length = make(bytes, COUNTERS, 2, 0x1000, 0x2000);
    check_saved(bytes, length, bytes);
    /* Counters are sorted, in whatever order they come. */
    make(turned, COUNTERS, 2, 0, 0);
    const size_t head = sizeof(uint64_t) * HEAD;
    const size_t one = sizeof(struct taken);
    memcpy(turned + head, bytes + head + one, one);
    memcpy(turned + head + one, bytes + head, one);
    check_saved(turned, length, bytes);
}

static void test_what_is_none_is_refused(void **state)
{
    (void)state;
    static const uint64_t rows[][2] = {{COUNTERS, 1}, {COUNTERS, 3},        {COUNTERS + 1, 2},
                                       {1, 2},        {UINT64_MAX, 2},      {COUNTERS, UINT64_MAX},
                                       {0, 2},        {UINT64_MAX / 32, 2}, {1UL << 59, 66}};
    char bytes[MAX];
    struct probe_reference *reference = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t length = make(bytes, rows[i][0], rows[i][1], 0x1000, 0x2000);
        assert_int_equal(probe_reference_restore(bytes, length, &reference), -EINVAL);
    }
    size_t length = make(bytes, COUNTERS, 2, 0x1000, 0x2000);
    for (size_t cut = 0; cut < length; cut++) {
        char *exact = exact_copy(bytes, cut);
        assert_int_equal(probe_reference_restore(exact, cut, &reference), -EINVAL);
        free(exact);
    }
    assert_null(reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_saved_is_restored),
        cmocka_unit_test(test_what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
