/* SPDX-License-Identifier: MIT */
/* Arguments of notes: recipes, and how values are shown. */
#include "unit.h"

#include "arch/registers.h"
#include "watch/arguments.h"

enum { SITE = 0x1000, SYMBOL = 0x3000 };

static bool find(void *data, const char *name, size_t length, uint64_t *address)
{
    int *count = data;
    (*count)++;
    if (length != 3 || memcmp(name, "sym", 3) != 0)
        return false;
    *address = SYMBOL;
    return true;
}

static int asked;
static struct watch_recipe recipe;
static struct watch_format format;

static void parse(const char *text, bool fixed)
{
    const struct watch_scope scope = {SITE, fixed, find, &asked};
    char *copy = exact_copy(text, strlen(text));
    asked = 0;
    watch_arguments_parse(copy, strlen(text), &scope, &recipe, &format);
    free(copy);
    assert_int_equal(recipe.count, format.shown);
}

static void test_sizes(void **state)
{
    (void)state;
    parse("1@%al -2@%ax 4@%eax -8@%rax 4f@%eax 8f@%rcx -8f@(%rax)", false);
    assert_int_equal(format.count, 7);
    static const uint8_t sizes[] = {1, 2, 4, 8, 4, 8, 8};
    for (size_t i = 0; i < format.count; i++) {
        assert_true(format.arguments[i].understood);
        assert_int_equal(format.arguments[i].size, sizes[i]);
        assert_int_equal(format.arguments[i].is_float, i >= 4);
    }
    assert_false(format.arguments[0].is_signed);
    assert_true(format.arguments[1].is_signed);
}

static void test_loads(void **state)
{
    (void)state;
    parse("8@%rax 2@-6(%rbp,%rcx,4) 4@$7", false);
    assert_int_equal(recipe.operands[0].load, 0);
    assert_int_equal(recipe.operands[0].base, 0);
    assert_int_equal(recipe.operands[0].index, ARCH_SLOT_NONE);
    assert_int_equal(recipe.operands[1].load, 2);
    assert_int_equal(recipe.operands[1].base, 6);
    assert_int_equal(recipe.operands[1].index, 2);
    assert_int_equal(recipe.operands[1].scale, 2);
    assert_true(recipe.operands[1].constant == (uint64_t)-6);
    assert_int_equal(recipe.operands[2].load, 0);
    assert_int_equal(recipe.operands[2].base, ARCH_SLOT_NONE);
    assert_true(recipe.operands[2].constant == 7);
}

/* Only what has eight bytes may be the address of a string. */
static void test_texts(void **state)
{
    (void)state;
    parse("8@%rax 4@%ebx -8@(%rcx) 8f@%rdx 8@%eax", false);
    assert_int_equal(recipe.texts, 2);
    assert_int_equal(recipe.operands[0].text, 1);
    assert_int_equal(recipe.operands[1].text, 0);
    assert_int_equal(recipe.operands[2].text, 2);
    assert_int_equal(recipe.operands[3].text, 0);
    assert_int_equal(recipe.operands[4].text, 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(format.arguments[i].text, recipe.operands[i].text);
}

static void test_registers_that_are_narrower(void **state)
{
    (void)state;
    parse("8@%eax -4@%bl 1@%ah 2@%rax", false);
    assert_int_equal(format.arguments[0].width, 4);
    assert_int_equal(format.arguments[1].width, 1);
    assert_int_equal(format.arguments[2].width, 1);
    assert_int_equal(format.arguments[2].shift, 8);
    assert_int_equal(format.arguments[3].width, 2);
}

static void test_symbols_are_distances_from_the_site(void **state)
{
    (void)state;
    parse("4@40+sym(%rip) 8@-8+sym(%rip)", false);
    assert_int_equal(asked, 2);
    assert_int_equal(recipe.operands[0].base, ARCH_SLOT_SITE);
    assert_true(recipe.operands[0].constant == SYMBOL - SITE + 40);
    assert_true(recipe.operands[1].constant == SYMBOL - SITE - 8);
}

static void test_symbols_as_addresses(void **state)
{
    (void)state;
    parse("4@sym(,%rax,4) 8@$sym 4@sym", true);
    for (size_t i = 0; i < 3; i++) {
        assert_true(format.arguments[i].understood);
        assert_true(recipe.operands[i].constant == SYMBOL);
    }
    /* An object that is moved has them elsewhere. */
    parse("4@sym(,%rax,4) 8@$sym 4@sym", false);
    for (size_t i = 0; i < 3; i++)
        assert_false(format.arguments[i].understood);
}

static void test_what_is_not_understood(void **state)
{
    (void)state;
    parse("16@%xmm0 -4@%eax 3@%eax %rax @%rax 4 -@%eax 1f@%al 8@nobody(%rip) --4@%eax 4-@%eax",
          true);
    assert_int_equal(format.count, 11);
    for (size_t i = 0; i < format.count; i++) {
        assert_int_equal(format.arguments[i].understood, i == 1);
        assert_int_equal(recipe.operands[i].load, 0);
        assert_int_equal(recipe.operands[i].index, ARCH_SLOT_NONE);
    }
    assert_int_equal(recipe.texts, 0);
}

static void test_spaces(void **state)
{
    (void)state;
    parse("", false);
    assert_int_equal(format.count, 0);
    parse("   ", false);
    assert_int_equal(format.count, 0);
    parse("  4@%eax   4@%ebx ", false);
    assert_int_equal(format.count, 2);
    /* Inside of brackets they are part of the operand, as other processors write it. */
    parse("4@[sp, 16] 4@%eax", false);
    assert_int_equal(format.count, 2);
    assert_false(format.arguments[0].understood);
    assert_true(format.arguments[1].understood);
}

static void test_more_than_can_be_recorded(void **state)
{
    (void)state;
    static const char one[] = "1@%al ";
    char text[300 * (sizeof(one) - 1) + 1] = "";
    for (size_t i = 0; i < 300; i++)
        memcpy(text + i * (sizeof(one) - 1), one, sizeof(one));
    parse(text, false);
    assert_int_equal(format.count, UINT8_MAX);
    assert_int_equal(format.shown, WATCH_ARGUMENTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_loads),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_registers_that_are_narrower),
        cmocka_unit_test(test_symbols_are_distances_from_the_site),
        cmocka_unit_test(test_symbols_as_addresses),
        cmocka_unit_test(test_what_is_not_understood),
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_more_than_can_be_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
