/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "start/search-path.h"

#include <errno.h>

static const struct search_tokens plain = {
    .origin = "/srv/app/bin", .lib = "lib/x86_64-linux-gnu", .platform = "haswell"};

static void assert_expands(const char *text, const struct search_tokens *tokens,
                           const char *expected)
{
    char *expanded = search_tokens_expand(text, tokens);
    assert_non_null(expanded);
    assert_string_equal(expanded, expected);
    free(expanded);
}

static void test_tokens(void **state)
{
    (void)state;
    assert_expands("$ORIGIN/../lib", &plain, "/srv/app/bin/../lib");
    assert_expands("${ORIGIN}x", &plain, "/srv/app/binx");
    assert_expands("/opt/$LIB/$PLATFORM/${LIB}", &plain,
                   "/opt/lib/x86_64-linux-gnu/haswell/lib/x86_64-linux-gnu");
    assert_expands("/plain", &plain, "/plain");
    assert_expands("", &plain, "");
}

/* What only looks like one stays as it is. */
static void test_no_tokens(void **state)
{
    (void)state;
    assert_expands("$ORIGINAL/$LIBRARY/$PLATFORM_1", &plain, "$ORIGINAL/$LIBRARY/$PLATFORM_1");
    assert_expands("$/${/${ORIGIN/$$", &plain, "$/${/${ORIGIN/$$");
    assert_expands("$HOME/${LIB", &plain, "$HOME/${LIB");
}

static void test_token_without_a_value(void **state)
{
    (void)state;
    const struct search_tokens none = {.lib = "lib"};
    assert_expands("$ORIGIN/lib", &none, "");
    assert_expands("/opt/$PLATFORM", &none, "");
    assert_expands("/opt/$LIB", &none, "/opt/lib");
}

static void test_privileged(void **state)
{
    (void)state;
    char *folders[] = {"/usr/lib", "/lib"};
    const struct search_path trusted = {.folders = folders, .count = 2};
    struct search_tokens tokens = plain;
    tokens.secure = true;
    /* A library's own $ORIGIN counts at the beginning alone. */
    assert_expands("$ORIGIN/lib", &tokens, "/srv/app/bin/lib");
    assert_expands("$ORIGIN", &tokens, "/srv/app/bin");
    assert_expands("$ORIGINx", &tokens, "$ORIGINx");
    assert_expands("${ORIGIN}x", &tokens, "");
    assert_expands("/x/$ORIGIN", &tokens, "");
    /* And the executable's only in the system's folders. */
    tokens.trusted = &trusted;
    assert_expands("$ORIGIN/lib", &tokens, "");
    assert_expands("/opt/$LIB", &tokens, "/opt/lib/x86_64-linux-gnu");
    tokens.origin = "/usr/lib/app/bin";
    assert_expands("$ORIGIN/../x", &tokens, "/usr/lib/app/bin/../x");
    assert_expands("$ORIGIN/../../../x", &tokens, "");
    assert_expands("$ORIGIN/../../../lib/./x", &tokens, "/usr/lib/app/bin/../../../lib/./x");
    assert_expands("$ORIGIN/../../../library", &tokens, "");
    tokens.origin = "usr/lib";
    assert_expands("$ORIGIN/x", &tokens, "");
}

static void assert_folders(const char *text, const char *separators, size_t count,
                           const char *const *expected)
{
    struct search_path path = {0};
    assert_int_equal(search_path_add(&path, text, separators, &plain), 0);
    assert_int_equal(path.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(path.folders[i], expected[i]);
    search_path_done(&path);
}

static void test_paths(void **state)
{
    (void)state;
    assert_folders("/a/:$ORIGIN/b//:/", ":", 3, (const char *[]){"/a", "/srv/app/bin/b", "/"});
    assert_folders("/a;/b:/c", ":;", 3, (const char *[]){"/a", "/b", "/c"});
    assert_folders("/a;/b:/c", ":", 2, (const char *[]){"/a;/b", "/c"});
    assert_folders(":x:", ":", 3, (const char *[]){".", "x", "."});
    assert_folders("", ":", 1, (const char *[]){"."});
}

static void test_tokens_without_a_value_are_no_folder(void **state)
{
    (void)state;
    struct search_path path = {0};
    const struct search_tokens none = {0};
    assert_int_equal(search_path_add(&path, "/a:$ORIGIN:/b", ":", &none), 0);
    assert_int_equal(path.count, 2);
    assert_string_equal(path.folders[1], "/b");
    search_path_done(&path);
}

static void test_bounded(void **state)
{
    (void)state;
    char text[10001];
    struct search_path path = {0};
    memset(text, ':', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(search_path_add(&path, text, ":", &plain), -E2BIG);
    search_path_done(&path);
}

/* A path that no kernel takes is not kept. */
static void test_too_long_for_a_path(void **state)
{
    (void)state;
    char origin[3001];
    memset(origin, 'x', sizeof(origin) - 1);
    origin[sizeof(origin) - 1] = '\0';
    const struct search_tokens tokens = {.origin = origin};
    assert_expands("$ORIGIN", &tokens, origin);
    assert_expands("$ORIGIN/$ORIGIN", &tokens, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_no_tokens),
        cmocka_unit_test(test_token_without_a_value),
        cmocka_unit_test(test_privileged),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_tokens_without_a_value_are_no_folder),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_too_long_for_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
