/* SPDX-License-Identifier: MIT */
/* Texts that mislead are what this file is about, in strings: */
/* NOLINTBEGIN(misc-misleading-bidirectional) */
#include "unit.h"

#include "names/name.h"
#include "shared/reserved-names.h"

#include <stdio.h>

/* The name that is shown, in memory of exactly the size that it may have. */
static char *show(const char *provider, const char *name)
{
    char *shown = malloc(NAME_LENGTH + 1);
    assert_non_null(shown);
    memset(shown, 'Z', NAME_LENGTH + 1);
    name_show(provider, name, reserved_names, shown);
    assert_non_null(memchr(shown, '\0', NAME_LENGTH + 1));
    return shown;
}

static void check(const char *provider, const char *name, const char *expected)
{
    char *shown = show(provider, name);
    assert_string_equal(shown, expected);
    free(shown);
}

/* ---- bytes ------------------------------------------------------------------------------ */

static bool always_misleads(unsigned int byte)
{
    return byte <= ' ' || byte >= 0x7f || strchr("/%,*?[]\\", (int)byte);
}

static void test_every_byte_inside(void **state)
{
    (void)state;
    for (unsigned int byte = 1; byte < 256; byte++) {
        char name[] = {'a', (char)byte, 'b', '\0'};
        char plain[32];
        char ocaml[32];
        char systemtap[64];
        snprintf(plain, sizeof(plain), "a%cb", (int)byte);
        snprintf(ocaml, sizeof(ocaml), "a%%%02Xb", byte);
        snprintf(systemtap, sizeof(systemtap), "p:%s", always_misleads(byte) ? ocaml : plain);
        check(NULL, name, always_misleads(byte) || byte == ':' ? ocaml : plain);
        check("p", name, systemtap);
    }
}

static void test_every_byte_first(void **state)
{
    (void)state;
    for (unsigned int byte = 1; byte < 256; byte++) {
        char name[] = {(char)byte, 'b', '\0'};
        char plain[32];
        char escaped[32];
        char systemtap[64];
        bool misleads = always_misleads(byte) || strchr(".~#=", (int)byte);
        snprintf(plain, sizeof(plain), "%cb", (int)byte);
        snprintf(escaped, sizeof(escaped), "%%%02Xb", byte);
        check(NULL, name, misleads || byte == ':' ? escaped : plain);
        /* Behind a provider it is not the first. */
        snprintf(systemtap, sizeof(systemtap), "p:%s", always_misleads(byte) ? escaped : plain);
        check("p", name, systemtap);
        /* The provider's own first byte; its colons would end it too early. */
        snprintf(systemtap, sizeof(systemtap), "%s:n", misleads || byte == ':' ? escaped : plain);
        check(name, "n", systemtap);
    }
}

static void test_reserved_words(void **state)
{
    (void)state;
    check(NULL, ".", "%2E");
    check(NULL, "..", "%2E.");
    check(NULL, "...", "%2E..");
    check(NULL, ".hidden", "%2Ehidden");
    check(NULL, "hid.den", "hid.den");
    check(NULL, "exe", "%65xe");
    check(NULL, "enabled", "%65nabled");
    check(NULL, "info", "%69nfo");
    check(NULL, "control", "%63ontrol");
    check(NULL, "error_log", "%65rror_log");
    check(NULL, "hits", "%68its");
    check(NULL, "trace", "%74race");
    check(NULL, "exe2", "exe2");
    check(NULL, "Exe", "Exe");
    check("web", "exe", "web:exe");
    check("exe", "exe", "exe:exe");
    check("..", "..", "%2E.:..");
    check(".web", "x", "%2Eweb:x");
    check("web", ".x", "web:.x");
}

/* Which names are reserved is the client's to say. */
static void test_names_that_are_reserved(void **state)
{
    (void)state;
    static const char *const two[] = {"gc", "\xc3\xbc", NULL};
    static const struct {
        const char *name;
        const char *const *reserved;
        const char *shown;
    } rows[] = {
        {"exe", NULL, "exe"}, {"exe", two, "exe"},   {"gc", two, "%67c"},
        {"gc2", two, "gc2"},  {"gc", two + 2, "gc"}, {"\xc3\xbc", two, "%C3%BC"},
        {"..", NULL, "%2E."},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char shown[NAME_LENGTH + 1];
        name_show(NULL, rows[i].name, rows[i].reserved, shown);
        assert_string_equal(shown, rows[i].shown);
    }
}

static void test_systemtap(void **state)
{
    (void)state;
    check("web", "request", "web:request");
    check("python", "gc__start", "python:gc__start");
    check("", "x", ":x");
    check("a:b", "c", "a%3Ab:c");
    check("a", "b:c", "a:b:c");
    check("w b", "r/s", "w%20b:r%2Fs");
}

/* ---- UTF-8 ------------------------------------------------------------------------------ */

static void test_characters_stay(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "\xc3\xbc",         /* u with diaeresis */
        "\xc2\xa0",         /* the first behind C1 */
        "\xdf\xbf",         /* the last of two bytes */
        "\xe0\xa0\x80",     /* the first of three */
        "\xe6\x97\xa5",     /* a letter of Japanese */
        "\xed\x9f\xbf",     /* the last before the surrogates */
        "\xee\x80\x80",     /* the first behind them */
        "\xef\xbf\xbd",     /* the replacement character */
        "\xf0\x90\x80\x80", /* the first of four */
        "\xf0\x9f\x98\x80", /* a face */
        "\xf4\x8f\xbf\xbf", /* the last there is */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(plain); i++) {
        char name[16];
        snprintf(name, sizeof(name), "a%sb", plain[i]);
        check(NULL, name, name);
    }
}

static void test_what_is_no_utf8_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *name, *shown;
    } rows[] = {
        {"\x80", "%80"},
        {"a\xbf", "a%BF"},
        {"\xff", "%FF"},
        {"\xfe\x80\x80\x80", "%FE%80%80%80"},
        {"\xf8\x88\x80\x80\x80", "%F8%88%80%80%80"},
        {"\xc3", "%C3"}, /* cut short */
        {"\xc3z", "%C3z"},
        {"\xe6\x97", "%E6%97"},
        {"\xe6\x97z", "%E6%97z"},
        {"\xf0\x9f\x98", "%F0%9F%98"},
        {"\xc0\xaf", "%C0%AF"},               /* '/' in two bytes */
        {"\xc1\xbf", "%C1%BF"},               /* the last overlong form of two */
        {"\xe0\x80\xaf", "%E0%80%AF"},        /* '/' in three */
        {"\xe0\x9f\xbf", "%E0%9F%BF"},        /* the last overlong form of three */
        {"\xf0\x80\x80\xaf", "%F0%80%80%AF"}, /* '/' in four */
        {"\xf0\x8f\xbf\xbf", "%F0%8F%BF%BF"}, /* the last overlong form of four */
        {"\xed\xa0\x80", "%ED%A0%80"},        /* the first surrogate */
        {"\xed\xbf\xbf", "%ED%BF%BF"},        /* the last */
        {"\xf4\x90\x80\x80", "%F4%90%80%80"}, /* behind the last character */
        {"\xc3\xc3\xbc", "%C3\xc3\xbc"},      /* it goes on behind a bad byte */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        check(NULL, rows[i].name, rows[i].shown);
}

static void test_what_fools_a_terminal_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *name, *shown;
    } rows[] = {
        {"\xc2\x80", "%C2%80"},               /* C1 */
        {"\xc2\x9b", "%C2%9B"},               /* CSI */
        {"\xc2\x9f", "%C2%9F"},               /* the last of C1 */
        {"\xc2\xad", "%C2%AD"},               /* soft hyphen */
        {"\xe2\x80\x8b", "%E2%80%8B"},        /* zero width space */
        {"\xe2\x80\xae", "%E2%80%AE"},        /* right-to-left override */
        {"\xe2\x81\xa6", "%E2%81%A6"},        /* left-to-right isolate */
        {"\xe2\x80\xa8", "%E2%80%A8"},        /* line separator */
        {"\xef\xbb\xbf", "%EF%BB%BF"},        /* byte order mark */
        {"\xf3\xa0\x81\x81", "%F3%A0%81%81"}, /* a tag */
        {"\xcd\x8f", "%CD%8F"},               /* combining grapheme joiner */
        {"\xe1\x85\xa0", "%E1%85%A0"},        /* Hangul filler */
        {"\xef\xb8\x8f", "%EF%B8%8F"},        /* a variation selector */
        {"\xef\xbf\xbb", "%EF%BF%BB"},        /* the end of an annotation */
        {"\xf3\xa0\x84\x80", "%F3%A0%84%80"}, /* another variation selector */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        check(NULL, rows[i].name, rows[i].shown);
}

/* ---- length ----------------------------------------------------------------------------- */

enum { HASH = 16 };

/* A name of COUNT times PIECE, to be freed. */
static char *repeat(const char *piece, size_t count)
{
    size_t length = strlen(piece);
    char *name = malloc(count * length + 1);
    assert_non_null(name);
    for (size_t i = 0; i < count; i++)
        memcpy(name + i * length, piece, length);
    name[count * length] = '\0';
    return name;
}

/* It ends in '~' and a hash, and neither an escape nor a character is cut through. */
static void check_cut(const char *shown)
{
    size_t length = strlen(shown);
    assert_true(length > HASH + 1 && length <= NAME_LENGTH);
    const char *end = shown + length - HASH - 1;
    assert_int_equal(*end, '~');
    assert_int_equal(strspn(end + 1, "0123456789abcdef"), HASH);
    for (const char *at = shown; at < end; at++) {
        if (*at == '%') {
            assert_true(at + 2 < end);
            assert_int_equal(strspn(at + 1, "0123456789ABCDEF") >= 2, 1);
        }
        unsigned char byte = (unsigned char)*at;
        size_t more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
        assert_true(at + more < end);
    }
}

static void test_names_that_fit(void **state)
{
    (void)state;
    for (size_t length = 250; length <= NAME_LENGTH; length++) {
        char *name = repeat("n", length);
        check(NULL, name, name);
        free(name);
    }
    /* 85 spaces are 255 bytes. */
    char *spaces = repeat(" ", 85);
    char *escaped = repeat("%20", 85);
    check(NULL, spaces, escaped);
    free(spaces);
    free(escaped);
    /* Provider, colon and name. */
    char *provider = repeat("p", 100);
    char *name = repeat("n", 154);
    char expected[NAME_LENGTH + 1];
    snprintf(expected, sizeof(expected), "%s:%s", provider, name);
    check(provider, name, expected);
    free(provider);
    free(name);
}

static void test_names_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *piece;
        size_t count;
    } rows[] = {
        {"n", 256},           {"n", 257},        {"n", 100000},         {" ", 86},
        {"%", 300},           {"\xc3\xbc", 128}, {"\xe6\x97\xa5", 86},  {"\xf0\x9f\x98\x80", 64},
        {"\xe2\x80\xae", 29}, {"\xff", 86},      {"x\xe2\x80\xae", 26}, {"xy\xf3\xa0\x81\x81", 19},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char *name = repeat(rows[i].piece, rows[i].count);
        char *shown = show(NULL, name);
        check_cut(shown);
        free(shown);
        shown = show("p", name);
        check_cut(shown);
        assert_memory_equal(shown, "p:", 2);
        free(shown);
        shown = show(name, "n");
        check_cut(shown);
        free(shown);
        free(name);
    }
}

/* Whatever stands at the cut, it is never in the middle of something. */
static void test_cut_at_every_place(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        " ", "\xc3\xbc", "\xe6\x97\xa5", "\xf0\x9f\x98\x80", "\xe2\x80\xae", "\xff"};
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        char *tail = repeat(pieces[i], 200);
        for (size_t lead = 0; lead <= NAME_LENGTH + 1; lead++) {
            char *name = malloc(lead + strlen(tail) + 1);
            assert_non_null(name);
            memset(name, 'n', lead);
            memcpy(name + lead, tail, strlen(tail) + 1);
            char *shown = show(NULL, name);
            check_cut(shown);
            free(shown);
            free(name);
        }
        free(tail);
    }
}

static void test_cut_names_differ(void **state)
{
    (void)state;
    char *first = repeat("n", 300);
    char *second = repeat("n", 300);
    second[299] = 'm';
    char *shown_first = show(NULL, first);
    char *shown_second = show(NULL, second);
    char *shown_again = show(NULL, first);
    assert_string_not_equal(shown_first, shown_second);
    assert_string_equal(shown_first, shown_again);
    free(shown_again);
    free(shown_second);

    /* A name that is what a cut name looks like is another name. */
    shown_second = show(NULL, shown_first);
    assert_string_not_equal(shown_first, shown_second);
    check_cut(shown_second);
    free(shown_second);

    /* What does not fit of a provider tells names apart, too. */
    shown_second = show(first, "x");
    shown_again = show(second, "x");
    assert_string_not_equal(shown_second, shown_again);
    free(shown_again);
    shown_again = show(first, "y");
    assert_string_not_equal(shown_second, shown_again);
    free(shown_again);
    free(shown_second);

    /* The provider's end is part of the whole. */
    shown_second = show("p", first);
    char *behind = repeat("n", 301);
    behind[0] = 'p';
    shown_again = show(NULL, behind);
    assert_string_not_equal(shown_second + 2, shown_again + 2);
    free(behind);
    free(shown_again);
    free(shown_second);
    free(shown_first);
    free(first);
    free(second);
}

static void check_full(const char *provider, const char *name, const char *full)
{
    char shown[NAME_LENGTH + 1];
    char *expected = show(provider, name);
    assert_true(strlen(full) > NAME_LENGTH);
    assert_int_equal(name_show_full(full, shown), 0);
    assert_string_equal(shown, expected);
    free(expected);
}

/* The full form of a name, escaped, means the one that is shown cut. */
static void test_full_form_of_cut_names(void **state)
{
    (void)state;
    char *name = repeat("ab", 200);
    char *spaces = repeat("a b", 100);
    char *escaped = repeat("a%20b", 100);
    char *text = NULL;
    check_full(NULL, name, name);
    check_full(NULL, spaces, escaped);
    check_full(NULL, spaces, spaces);
    assert_true(asprintf(&text, "web:%s", escaped) > 0);
    check_full("web", spaces, text);
    free(text);
    /* Only the first colon ends a provider, and what is no escape is none. */
    assert_true(asprintf(&text, "web:x:%%zz%%2%%00%s", name) > 0);
    check_full("web", text + 4, text);
    free(text);
    free(name);
    free(spaces);
    free(escaped);
}

static void test_names_that_look_cut(void **state)
{
    (void)state;
    char *name = repeat("n", NAME_LENGTH);
    memcpy(name + NAME_LENGTH - HASH - 1, "~0123456789abcdef", HASH + 1);
    char *shown = show(NULL, name);
    check_cut(shown);
    assert_string_not_equal(shown, name);
    free(shown);
    /* No cut name has letters in upper case, or so few bytes. */
    memcpy(name + NAME_LENGTH - HASH - 1, "~0123456789ABCDEF", HASH + 1);
    check(NULL, name, name);
    free(name);
    check(NULL, "short~0123456789abcdef", "short~0123456789abcdef");
}

/* ---- the names of a program made for this ------------------------------------------------- */

/* Turns an even number of hex digits into the bytes that they are, in place. */
static void unhex(char *text)
{
    size_t length = strlen(text) / 2;
    for (size_t i = 0; i < length; i++) {
        char digits[] = {text[2 * i], text[2 * i + 1], '\0'};
        text[i] = (char)strtoul(digits, NULL, 16);
    }
    text[length] = '\0';
}

/* What its script, which knows the documentation alone, expects of each. */
static void test_listed_names(void **state)
{
    (void)state;
    char provider[64];
    char name[1024];
    char expected[300];
    size_t count = 0;
    const char *path = getenv("NAMES_LIST");
    FILE *list = path ? fopen(path, "re") : NULL;
    if (!list)
        fail_msg("NAMES_LIST is not in the environment: run this with meson test");
    while (fscanf(list, "%63s %1023s %299s", provider, name, expected) == 3) {
        char *space = strstr(provider, "\\040");
        if (space)
            memmove(space + 1, space + 4, strlen(space + 4) + 1);
        if (space)
            *space = ' ';
        unhex(name);
        count++;
        if (strcmp(expected, "?") == 0)
            continue;
        char *shown = show(strcmp(provider, "ocaml_1") == 0 ? NULL : provider, name);
        size_t length = strlen(expected);
        if (length > 2 && strcmp(expected + length - 2, "~*") == 0) {
            check_cut(shown);
            assert_memory_equal(shown, expected, length - 2);
        } else {
            assert_string_equal(shown, expected);
        }
        free(shown);
    }
    fclose(list);
    assert_true(count > 80);
}

/* ---- no two names look the same ---------------------------------------------------------- */

struct named {
    char provider[8], name[8];
    bool has_provider;
    char shown[NAME_LENGTH + 1];
};

static int compare_shown(const void *a, const void *b)
{
    const struct named *x = a;
    const struct named *y = b;
    return strcmp(x->shown, y->shown);
}

/* Letters that escapes are made of, and those that are escaped. */
static void draw(uint32_t *seed, char text[8])
{
    static const char letters[] = "%2350AFx:~. /\xc3\xbc\xe2\x80\xae\xff";
    *seed = *seed * 1664525 + 1013904223;
    size_t length = (*seed >> 16) % 5;
    for (size_t i = 0; i < length; i++) {
        *seed = *seed * 1664525 + 1013904223;
        text[i] = letters[(*seed >> 16) % (sizeof(letters) - 1)];
    }
    text[length] = '\0';
}

static void test_no_two_look_the_same(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    struct named *names = calloc(COUNT, sizeof(*names));
    uint32_t seed = 20260101;
    assert_non_null(names);
    for (size_t i = 0; i < COUNT; i++) {
        names[i].has_provider = i % 2;
        draw(&seed, names[i].name);
        if (names[i].has_provider)
            draw(&seed, names[i].provider);
        name_show(names[i].has_provider ? names[i].provider : NULL, names[i].name, NULL,
                  names[i].shown);
        assert_null(strchr(names[i].shown, '/'));
    }
    qsort(names, COUNT, sizeof(*names), compare_shown);
    for (size_t i = 1; i < COUNT; i++) {
        const struct named *a = &names[i - 1];
        const struct named *b = &names[i];
        if (strcmp(a->shown, b->shown) == 0) {
            assert_int_equal(a->has_provider, b->has_provider);
            assert_string_equal(a->provider, b->provider);
            assert_string_equal(a->name, b->name);
        }
    }
    free(names);
}

/* ---- text ------------------------------------------------------------------------------- */

static void test_text(void **state)
{
    (void)state;
    char out[64];
    assert_int_equal(text_escape("a b", 3, false, out, sizeof(out)), 3);
    assert_string_equal(out, "a b");
    assert_int_equal(text_escape("a b", 3, true, out, sizeof(out)), 5);
    assert_string_equal(out, "a%20b");
    assert_int_equal(text_escape("/x:*[", 5, true, out, sizeof(out)), 5);
    assert_string_equal(out, "/x:*[");
    assert_int_equal(text_escape("\x1b[31m%\n", 7, false, out, sizeof(out)), 11);
    assert_string_equal(out, "%1B[31m%%0A");
    assert_int_equal(text_escape("\x1b[31m%\n", 7, true, out, sizeof(out)), 13);
    assert_string_equal(out, "%1B[31m%25%0A");
    assert_int_equal(text_escape("a\0b", 3, false, out, sizeof(out)), 5);
    assert_string_equal(out, "a%00b");
    assert_int_equal(text_escape("", 0, false, out, sizeof(out)), 0);
    assert_string_equal(out, "");
}

static void test_text_that_is_cut(void **state)
{
    (void)state;
    static const char text[] = "a\xe6\x97\xa5\x01"
                               "b";
    static const char *const expected[] = {"",
                                           "a",
                                           "a",
                                           "a",
                                           "a\xe6\x97\xa5",
                                           "a\xe6\x97\xa5",
                                           "a\xe6\x97\xa5",
                                           "a\xe6\x97\xa5%01",
                                           "a\xe6\x97\xa5%01b",
                                           "a\xe6\x97\xa5%01b"};
    char *bytes = exact_copy(text, strlen(text)); /* no NUL behind it */
    for (size_t size = 1; size <= ARRAY_LENGTH(expected); size++) {
        char *out = malloc(size);
        assert_non_null(out);
        size_t length = text_escape(bytes, strlen(text), false, out, size);
        assert_int_equal(length, strlen(out));
        assert_string_equal(out, expected[size - 1]);
        free(out);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_inside),
        cmocka_unit_test(test_every_byte_first),
        cmocka_unit_test(test_reserved_words),
        cmocka_unit_test(test_names_that_are_reserved),
        cmocka_unit_test(test_systemtap),
        cmocka_unit_test(test_characters_stay),
        cmocka_unit_test(test_what_is_no_utf8_is_escaped),
        cmocka_unit_test(test_what_fools_a_terminal_is_escaped),
        cmocka_unit_test(test_names_that_fit),
        cmocka_unit_test(test_names_that_do_not_fit),
        cmocka_unit_test(test_cut_at_every_place),
        cmocka_unit_test(test_cut_names_differ),
        cmocka_unit_test(test_full_form_of_cut_names),
        cmocka_unit_test(test_names_that_look_cut),
        cmocka_unit_test(test_listed_names),
        cmocka_unit_test(test_no_two_look_the_same),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_that_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
/* NOLINTEND(misc-misleading-bidirectional) */
