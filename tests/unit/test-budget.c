/* SPDX-License-Identifier: MIT */
/* What users may have the server keep, and what they share. */
#include "unit.h"

#include "server/shared-bytes.h"

#include <errno.h>

enum { USER = 1000, OTHER = 1001, SERVER = 500, FILES = 16384, MEMORY = 64 << 20 };

static struct budgets budgets;
static struct shared_bytes *latest;

static int begin(void **state)
{
    (void)state;
    latest = NULL;
    return budgets_init(&budgets, SERVER);
}

static int end(void **state)
{
    (void)state;
    assert_null(budgets.users); /* all was given back */
    budgets_done(&budgets);
    return 0;
}

static void test_files(void **state)
{
    (void)state;
    struct probe_error error = {.text = ""};
    for (int i = 0; i < FILES; i++)
        assert_int_equal(budget_take(&budgets, USER, BUDGET_FILES, 1, &error), 0);
    assert_int_equal(budget_take(&budgets, USER, BUDGET_FILES, 1, &error), -EMFILE);
    assert_sentence(error, "user 1000");
    /* Nobody else is refused, and the user only until something is closed. */
    assert_int_equal(budget_take(&budgets, OTHER, BUDGET_FILES, 1, &error), 0);
    budget_give(&budgets, OTHER, BUDGET_FILES, 1);
    budget_give(&budgets, USER, BUDGET_FILES, 1);
    assert_int_equal(budget_take(&budgets, USER, BUDGET_FILES, 1, &error), 0);
    budget_give(&budgets, USER, BUDGET_FILES, FILES);
}

static void test_memory(void **state)
{
    (void)state;
    struct probe_error error = {.text = ""};
    assert_int_equal(budget_take(&budgets, USER, BUDGET_MEMORY, MEMORY, &error), 0);
    assert_int_equal(budget_take(&budgets, USER, BUDGET_MEMORY, 1, &error), -ENOMEM);
    assert_sentence(error, "64 MiB");
    assert_int_equal(budget_take(&budgets, USER, BUDGET_FILES, 1, &error), 0);
    budget_give(&budgets, USER, BUDGET_FILES, 1);
    budget_give(&budgets, USER, BUDGET_MEMORY, MEMORY);
    assert_int_equal(budget_take(&budgets, USER, BUDGET_MEMORY, SIZE_MAX, &error), -ENOMEM);
    assert_int_equal(budget_take(&budgets, USER, BUDGET_MEMORY, MEMORY, &error), 0);
    budget_give(&budgets, USER, BUDGET_MEMORY, MEMORY);
}

static void test_other_limits(void **state)
{
    (void)state;
    struct probe_error error = {.text = ""};
    budgets.limits.most[BUDGET_FILES] = 2;
    budgets.limits.most[BUDGET_MEMORY] = 3 << 20;
    assert_int_equal(budget_take(&budgets, USER, BUDGET_FILES, 2, &error), 0);
    assert_int_equal(budget_take(&budgets, USER, BUDGET_FILES, 1, &error), -EMFILE);
    assert_sentence(error, "has 2 files");
    assert_int_equal(budget_take(&budgets, USER, BUDGET_MEMORY, (3 << 20) + 1, &error), -ENOMEM);
    assert_sentence(error, "takes 3 MiB");
    budget_give(&budgets, USER, BUDGET_FILES, 2);
}

static void test_who_is_not_counted(void **state)
{
    (void)state;
    struct probe_error error = {.text = ""};
    static const uid_t users[] = {0, SERVER};
    for (size_t i = 0; i < ARRAY_LENGTH(users); i++) {
        assert_int_equal(budget_take(&budgets, users[i], BUDGET_FILES, SIZE_MAX, &error), 0);
        assert_int_equal(budget_take(&budgets, users[i], BUDGET_FILES, SIZE_MAX, &error), 0);
        assert_int_equal(budget_used(&budgets, users[i], BUDGET_FILES), 0);
        budget_give(&budgets, users[i], BUDGET_FILES, SIZE_MAX);
    }
}

static struct shared_bytes *get(uid_t user, const char *text)
{
    struct probe_error error = {.text = ""};
    struct shared_bytes *shared = NULL;
    char *copy = exact_copy(text, strlen(text));
    assert_int_equal(shared_bytes_get(&budgets, user, copy, strlen(text), &latest, &shared, &error),
                     0);
    assert_int_equal(shared->length, strlen(text));
    assert_memory_equal(shared->bytes, text, strlen(text));
    return shared;
}

static void test_the_same_is_kept_once(void **state)
{
    (void)state;
    struct shared_bytes *first = get(USER, "names");
    size_t used = budget_used(&budgets, USER, BUDGET_MEMORY);
    assert_true(used >= strlen("names"));
    assert_ptr_equal(get(USER, "names"), first);
    assert_ptr_equal(get(OTHER, "names"), first);
    assert_int_equal(budget_used(&budgets, USER, BUDGET_MEMORY), used);
    assert_int_equal(budget_used(&budgets, OTHER, BUDGET_MEMORY), 0);
    /* What is different is another, and known from then on; the first stays with who has it. */
    struct shared_bytes *second = get(USER, "other names");
    assert_ptr_not_equal(second, first);
    assert_ptr_equal(get(USER, "other names"), second);
    assert_memory_equal(first->bytes, "names", 5);
    for (int i = 0; i < 3; i++)
        shared_bytes_put(&budgets, first);
    assert_ptr_equal(latest, second);
    shared_bytes_put(&budgets, second);
    shared_bytes_put(&budgets, second);
    assert_null(latest);
    shared_bytes_put(&budgets, NULL);
}

static void test_no_budget_for_it(void **state)
{
    (void)state;
    struct probe_error error = {.text = ""};
    struct shared_bytes *shared = NULL;
    assert_int_equal(budget_take(&budgets, USER, BUDGET_MEMORY, MEMORY, &error), 0);
    char *copy = exact_copy("names", 5);
    assert_int_equal(shared_bytes_get(&budgets, USER, copy, 5, &latest, &shared, &error), -ENOMEM);
    assert_sentence(error, "64 MiB");
    assert_null(latest);
    budget_give(&budgets, USER, BUDGET_MEMORY, MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, begin, end),
        cmocka_unit_test_setup_teardown(test_memory, begin, end),
        cmocka_unit_test_setup_teardown(test_other_limits, begin, end),
        cmocka_unit_test_setup_teardown(test_who_is_not_counted, begin, end),
        cmocka_unit_test_setup_teardown(test_the_same_is_kept_once, begin, end),
        cmocka_unit_test_setup_teardown(test_no_budget_for_it, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
