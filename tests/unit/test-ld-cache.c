/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "start/ld-cache.h"

#include <stdio.h>

/* Parts of a cache; offsets are counted by the builder. */
struct line {
    const char *name, *path;
    uint32_t kind, hwcap, hwcap_high;
};

enum { KIND = 0x0303, OTHER = 0x0003, NAMED = 1 << 30, HEADER = 48, ENTRY = 24, OLD_HEADER = 16 };

static const char *const no_hwcaps[] = {NULL};
static const char *const hwcaps[] = {"x86-64-v3", "x86-64-v2", NULL};

static const struct line lines[] = {
    {"libz.so.1", "/usr/lib32/libz.so.1", OTHER, 0, 0},
    {"libz.so.1", "/lib/v4/libz.so.1", KIND, 2, NAMED},
    {"libz.so.1", "/lib/v2/libz.so.1", KIND, 0, NAMED},
    {"libz.so.1", "/lib/v3/libz.so.1", KIND, 1, NAMED},
    {"libz.so.1", "/lib/tls/libz.so.1", KIND, 0, 1},
    {"libz.so.1", "/lib/libz.so.1", KIND, 0, 0},
    {"libold.so.1", "/lib/libold.so.1", KIND, 0, 0},
    {"libv4.so.1", "/lib/v4/libv4.so.1", KIND, 2, NAMED},
};

static char bytes[4096];
static size_t length;

static void put(size_t at, const void *data, size_t size)
{
    assert_true(at + size <= sizeof(bytes));
    memcpy(bytes + at, data, size);
    if (at + size > length)
        length = at + size;
}

static void put_word(size_t at, uint32_t word)
{
    put(at, &word, sizeof(word));
}

static uint32_t put_string(size_t base, const char *string)
{
    uint32_t offset = (uint32_t)(length - base);
    put(length, string, strlen(string) + 1);
    return offset;
}

static void put_hwcaps(size_t base)
{
    static const char *const names[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    uint32_t offsets[3];
    for (size_t i = 0; i < 3; i++)
        offsets[i] = put_string(base, names[i]);
    length = (length + 7) / 8 * 8;
    size_t at = length;
    put_word(base + 32, (uint32_t)(at - base));
    const uint32_t extension[] = {0xeaa42174, 2, 0, 0, 0, 0, 1, 0, (uint32_t)(at - base) + 40, 12};
    put(at, extension, sizeof(extension));
    put(at + sizeof(extension), offsets, sizeof(offsets));
}

/* A cache at BASE, behind what is there already. */
static void make_cache(size_t base)
{
    memset(bytes + base, 0, sizeof(bytes) - base);
    length = base;
    put(base, "glibc-ld.so.cache1.1", 20);
    put_word(base + 20, ARRAY_LENGTH(lines));
    bytes[base + 28] = 2;
    length = base + HEADER + ARRAY_LENGTH(lines) * ENTRY;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        size_t at = base + HEADER + i * ENTRY;
        put_word(at, lines[i].kind);
        put_word(at + 4, put_string(base, lines[i].name));
        put_word(at + 8, put_string(base, lines[i].path));
        put_word(at + 16, lines[i].hwcap);
        put_word(at + 20, lines[i].hwcap_high);
    }
    put_hwcaps(base);
}

static int make_plain(void **state)
{
    (void)state;
    make_cache(0);
    return 0;
}

static void assert_found(const char *name, const char *const *caps, const char *expected)
{
    char *copy = exact_copy(bytes, length);
    const char *found = ld_cache_find(copy, length, name, KIND, caps);
    if (expected) {
        assert_non_null(found);
        assert_string_equal(found, expected);
    } else {
        assert_null(found);
    }
    free(copy);
}

static void test_name_of_this_machine(void **state)
{
    (void)state;
    assert_found("libold.so.1", no_hwcaps, "/lib/libold.so.1");
    assert_found("libz.so.1", no_hwcaps, "/lib/libz.so.1");
    assert_found("libz.so", no_hwcaps, NULL);
    assert_found("", no_hwcaps, NULL);
}

static void test_best_hwcap_wins(void **state)
{
    (void)state;
    assert_found("libz.so.1", hwcaps, "/lib/v3/libz.so.1");
    assert_found("libz.so.1", hwcaps + 1, "/lib/v2/libz.so.1");
    assert_found("libold.so.1", hwcaps, "/lib/libold.so.1");
    assert_found("libv4.so.1", hwcaps, NULL);
}

static void test_behind_the_older_format(void **state)
{
    (void)state;
    make_cache(OLD_HEADER + 3 * 12 + 4);
    memcpy(bytes, "ld.so-1.7.0", 11);
    put_word(12, 3);
    assert_found("libz.so.1", hwcaps, "/lib/v3/libz.so.1");
    put_word(12, 4);
    assert_found("libz.so.1", hwcaps, NULL);
    put_word(12, UINT32_MAX);
    assert_found("libz.so.1", hwcaps, NULL);
}

static void test_other_files(void **state)
{
    (void)state;
    bytes[19] = '2';
    assert_found("libz.so.1", hwcaps, NULL);
    make_cache(0);
    bytes[28] = 3; /* of a machine with the other order of bytes */
    assert_found("libz.so.1", hwcaps, NULL);
    length = 0;
    assert_found("libz.so.1", hwcaps, NULL);
}

/* Cut anywhere, nothing is read behind the end, and what is found is what is there. */
static void test_cut_short(void **state)
{
    (void)state;
    size_t whole = length;
    for (length = 0; length < whole; length++) {
        char *copy = exact_copy(bytes, length);
        const char *found = ld_cache_find(copy, length, "libz.so.1", KIND, hwcaps);
        if (found)
            assert_true(found >= copy && found + strlen(found) < copy + length);
        free(copy);
    }
}

static void test_offsets_that_lead_outside(void **state)
{
    (void)state;
    for (size_t at = 0; at + 4 <= length; at++) {
        make_cache(0);
        put_word(at, UINT32_MAX - 3);
        char *copy = exact_copy(bytes, length);
        const char *found = ld_cache_find(copy, length, "libz.so.1", KIND, hwcaps);
        if (found)
            assert_true(found >= copy && found + strlen(found) < copy + length);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_name_of_this_machine, make_plain),
        cmocka_unit_test_setup(test_best_hwcap_wins, make_plain),
        cmocka_unit_test_setup(test_behind_the_older_format, make_plain),
        cmocka_unit_test_setup(test_other_files, make_plain),
        cmocka_unit_test_setup(test_cut_short, make_plain),
        cmocka_unit_test_setup(test_offsets_that_lead_outside, make_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
