/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "object/note.h"

#include <errno.h>

/* A note's descriptor, with the strings "web", "request" and "8@%rax". */
static const char strings[] = "web\0request\0"
                              "8@%rax";
enum { WORDS_SIZE = 24, NOTE_SIZE = WORDS_SIZE + sizeof(strings) };

static void fill(unsigned char bytes[NOTE_SIZE])
{
    const uint64_t words[] = {0x1122334455667788, 0x2000, 0xfffffffffffffff0};
    memcpy(bytes, words, sizeof(words));
    memcpy(bytes + sizeof(words), strings, sizeof(strings));
}

static void test_fields(void **state)
{
    (void)state;
    unsigned char bytes[NOTE_SIZE];
    struct note note;
    fill(bytes);
    assert_int_equal(note_parse(bytes, sizeof(bytes), &note), 0);
    assert_true(note.site == 0x1122334455667788);
    assert_true(note.base == 0x2000);
    assert_true(note.semaphore == 0xfffffffffffffff0);
    assert_string_equal(note.provider, "web");
    assert_string_equal(note.name, "request");
    assert_string_equal(note.arguments, "8@%rax");
}

static void test_strings_point_into_the_note(void **state)
{
    (void)state;
    unsigned char bytes[NOTE_SIZE];
    struct note note;
    fill(bytes);
    assert_int_equal(note_parse(bytes, sizeof(bytes), &note), 0);
    assert_ptr_equal(note.provider, bytes + WORDS_SIZE);
    assert_ptr_equal(note.name, bytes + WORDS_SIZE + 4);
    assert_ptr_equal(note.arguments, bytes + WORDS_SIZE + 12);
}

static void test_every_shorter_length_is_refused(void **state)
{
    (void)state;
    unsigned char bytes[NOTE_SIZE];
    fill(bytes);
    for (size_t length = 0; length < sizeof(bytes); length++) {
        struct note note = {.site = 1, .provider = "untouched"};
        unsigned char *copy = exact_copy(bytes, length);
        assert_int_equal(note_parse(copy, length, &note), -EINVAL);
        assert_true(note.site == 1);
        assert_string_equal(note.provider, "untouched");
        free(copy);
    }
}

static void test_empty_strings(void **state)
{
    (void)state;
    unsigned char bytes[WORDS_SIZE + 3] = {0};
    struct note note;
    unsigned char *copy = exact_copy(bytes, sizeof(bytes));
    assert_int_equal(note_parse(copy, sizeof(bytes), &note), 0);
    assert_string_equal(note.provider, "");
    assert_string_equal(note.name, "");
    assert_string_equal(note.arguments, "");
    free(copy);
}

static void test_bytes_behind_are_passed_over(void **state)
{
    (void)state;
    unsigned char bytes[NOTE_SIZE + 5];
    struct note note;
    memset(bytes, 'x', sizeof(bytes));
    fill(bytes);
    assert_int_equal(note_parse(bytes, sizeof(bytes), &note), 0);
    assert_string_equal(note.arguments, "8@%rax");
}

static void test_any_alignment(void **state)
{
    (void)state;
    for (size_t offset = 1; offset < 8; offset++) {
        unsigned char room[NOTE_SIZE + 8];
        struct note note;
        fill(room + offset);
        assert_int_equal(note_parse(room + offset, NOTE_SIZE, &note), 0);
        assert_true(note.site == 0x1122334455667788);
    }
}

static void test_shift(void **state)
{
    (void)state;
    static const struct {
        uint64_t base_address, base, site, semaphore, new_site, new_semaphore;
    } rows[] = {
        {0x3000, 0x2000, 0x100, 0x200, 0x1100, 0x1200},      /* up */
        {0x2000, 0x3000, 0x1100, 0x1200, 0x100, 0x200},      /* down */
        {0x2000, 0x2000, 0x100, 0x200, 0x100, 0x200},        /* not at all */
        {0, 0x2000, 0x100, 0x200, 0x100, 0x200},             /* the section has gone */
        {0x2000, 0, 0x100, 0x200, 0x100, 0x200},             /* the note has no base */
        {0x3000, 0x2000, 0, 0x200, 0, 0x1200},               /* no site: not an address */
        {0x3000, 0x2000, 0x100, 0, 0x1100, 0},               /* no semaphore: likewise */
        {0x2000, 0x3000, 0x100, 0, 0xfffffffffffff100, 0},   /* wraps, as addresses do */
        {1, UINT64_MAX, 0x100, 0x200, 0x100 + 2, 0x200 + 2}, /* the distance wraps */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct note note = {rows[i].site, rows[i].base, rows[i].semaphore, "p", "n", "a"};
        note_shift(&note, rows[i].base_address);
        assert_true(note.site == rows[i].new_site);
        assert_true(note.semaphore == rows[i].new_semaphore);
        assert_true(note.base == rows[i].base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_strings_point_into_the_note),
        cmocka_unit_test(test_every_shorter_length_is_refused),
        cmocka_unit_test(test_empty_strings),
        cmocka_unit_test(test_bytes_behind_are_passed_over),
        cmocka_unit_test(test_any_alignment),
        cmocka_unit_test(test_shift),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
