/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "fuse/spin.h"

enum { OPCODE = 14, MANY = 1000 };

/* How often of MANY times it is tried, where nothing ever comes. */
static unsigned int count_tries(struct spin *spin)
{
    unsigned int tries = 0;
    for (int i = 0; i < MANY; i++) {
        if (spin_is_worth_it(spin, OPCODE)) {
            tries++;
            spin_learn(spin, OPCODE, false);
        }
    }
    return tries;
}

static void the_first_is_tried(void **state)
{
    struct spin spin = {0};
    (void)state;
    assert_true(spin_is_worth_it(&spin, OPCODE));
}

static void what_never_comes_is_tried_seldom(void **state)
{
    struct spin spin = {0};
    (void)state;
    assert_in_range(count_tries(&spin), 1, MANY / 20);
}

static void what_came_is_tried_again(void **state)
{
    struct spin spin = {0};
    (void)state;
    spin_learn(&spin, OPCODE, true);
    for (int i = 0; i < MANY; i++) {
        assert_true(spin_is_worth_it(&spin, OPCODE));
        spin_learn(&spin, OPCODE, i % 2);
    }
    /* And for a while only, when it comes no more. */
    assert_in_range(count_tries(&spin), 1, MANY / 20);
}

static void requests_do_not_pay_for_each_other(void **state)
{
    struct spin spin = {0};
    (void)state;
    spin_learn(&spin, OPCODE + 1, true);
    assert_in_range(count_tries(&spin), 1, MANY / 20);
    assert_true(spin_is_worth_it(&spin, OPCODE + 1));
}

static void an_opcode_of_the_future_is_not_tried(void **state)
{
    struct spin spin = {0};
    (void)state;
    assert_false(spin_is_worth_it(&spin, SPIN_OPCODES));
    assert_false(spin_is_worth_it(&spin, UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_tried),
        cmocka_unit_test(what_never_comes_is_tried_seldom),
        cmocka_unit_test(what_came_is_tried_again),
        cmocka_unit_test(requests_do_not_pay_for_each_other),
        cmocka_unit_test(an_opcode_of_the_future_is_not_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
