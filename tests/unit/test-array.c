/* SPDX-License-Identifier: MIT */
/* Growing arrays: room for more, and what was there when there is no memory. */
#include "unit.h"

#include "shared/array.h"

struct numbers {
    long *items;
    size_t count, room;
};

/* An analyser does not know that a failed assertion ends the test. */
static bool numbers_reserve(struct numbers *numbers, size_t needed)
{
    int status = ARRAY_RESERVE(numbers->items, numbers->room, needed);
    assert_int_equal(status, 0);
    return status == 0;
}

static void keeps_items_while_it_grows(void **state)
{
    (void)state;
    struct numbers numbers = {.items = NULL};
    size_t growths = 0;
    for (long i = 0; i < 10000; i++) {
        size_t room = numbers.room;
        if (!numbers_reserve(&numbers, numbers.count + 1))
            return;
        growths += numbers.room != room;
        assert_true(numbers.room > numbers.count);
        numbers.items[numbers.count++] = i;
    }
    for (long i = 0; i < 10000; i++)
        assert_int_equal(numbers.items[i], i);
    assert_true(growths < 30);
    free(numbers.items);
}

static void makes_room_for_many_at_once(void **state)
{
    (void)state;
    struct numbers numbers = {.items = NULL};
    if (!numbers_reserve(&numbers, 1000))
        return;
    assert_int_equal(numbers.room, 1000);
    memset(numbers.items, 0, 1000 * sizeof(*numbers.items));
    const long *items = numbers.items;
    assert_int_equal(ARRAY_RESERVE(numbers.items, numbers.room, 1000), 0);
    assert_ptr_equal(numbers.items, items);
    free(numbers.items);
}

static void keeps_the_array_without_memory(void **state)
{
    (void)state;
    struct numbers numbers = {.items = NULL};
    if (!numbers_reserve(&numbers, 1))
        return;
    numbers.items[0] = 7;
    size_t room = numbers.room;
    /* A number of bytes that no size_t holds; volatile, as the compiler would warn of it. */
    volatile size_t too_many = SIZE_MAX / 2;
    assert_int_equal(ARRAY_RESERVE(numbers.items, numbers.room, too_many), -ENOMEM);
    assert_int_equal(numbers.room, room);
    assert_int_equal(numbers.items[0], 7);
    free(numbers.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_items_while_it_grows),
        cmocka_unit_test(makes_room_for_many_at_once),
        cmocka_unit_test(keeps_the_array_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
