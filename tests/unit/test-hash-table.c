/* SPDX-License-Identifier: MIT */
/* Tables that become smaller: all items that stay are found, and stand in their order. */
#include "unit.h"

#define HASH_NONFATAL_OOM 1
#include "shared/hash-table.h"

enum { ITEMS = 20000 };

struct item {
    int number;
    UT_hash_handle hh;
};

static struct item *table;

static struct item *find(int number)
{
    struct item *item = NULL;
    HASH_FIND_INT(table, &number, item);
    return item;
}

static void add(int number)
{
    struct item *item = calloc(1, sizeof(*item));
    assert_non_null(item);
    item->number = number;
    HASH_ADD_INT(table, number, item);
}

static void drop(int number)
{
    struct item *item = find(number);
    assert_non_null(item);
    HASH_DEL(table, item);
    free(item);
    hash_table_shrink(HASH_TABLE(hh, table));
}

static unsigned int bucket_count(void)
{
    return table->hh.tbl->num_buckets;
}

static int empty(void **state)
{
    (void)state;
    struct item *item = NULL;
    struct item *next = NULL;
    HASH_ITER (hh, table, item, next) {
        HASH_DEL(table, item);
        free(item);
    }
    return 0;
}

/* Every STEP-th stays. */
static void check(int step)
{
    int number = 0;
    for (const struct item *item = table; item; item = item->hh.next, number += step)
        assert_int_equal(item->number, number);
    assert_true(number >= ITEMS);
    for (number = 0; number < ITEMS; number++)
        assert_true((find(number) != NULL) == (number % step == 0));
}

static void test_few_of_many_stay(void **state)
{
    (void)state;
    for (int i = 0; i < ITEMS; i++)
        add(i);
    unsigned int largest = bucket_count();
    for (int step = 10; step <= 1000; step *= 10) {
        for (int i = 0; i < ITEMS; i++)
            if (i % step > 0 && i % (step / 10) == 0)
                drop(i);
        check(step);
    }
    assert_true(bucket_count() <= largest / 16);
    /* It grows again. */
    for (int i = 0; i < ITEMS; i++)
        if (i % 1000 > 0)
            add(i);
    assert_true(bucket_count() >= largest / 4);
    for (int i = 0; i < ITEMS; i++)
        assert_non_null(find(i));
}

/* One that is as large as it has to be, or that is small, is let alone. */
static void test_not_worth_it(void **state)
{
    (void)state;
    hash_table_shrink(HASH_TABLE(hh, table));
    for (int i = 0; i < ITEMS; i++)
        add(i);
    unsigned int largest = bucket_count();
    for (int i = 1; i < ITEMS; i += 2)
        drop(i);
    assert_int_equal(bucket_count(), largest);
    empty(state);
    add(1);
    unsigned int least = bucket_count();
    hash_table_shrink(HASH_TABLE(hh, table));
    assert_int_equal(bucket_count(), least);
    drop(1);
    assert_null(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_few_of_many_stay, empty),
        cmocka_unit_test_teardown(test_not_worth_it, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
