/* SPDX-License-Identifier: MIT */
/* Operands of AArch64, one by one. Their reader is plain C, and runs on every processor. */
#include "unit.h"

#include "arch/operand.h"

enum { SP = 31, NONE = ARCH_SLOT_NONE };

static bool parse(const char *text, struct operand *operand)
{
    size_t length = strlen(text);
    char *copy = exact_copy(text, length);
    bool good = arch_parse_operand(copy, length, operand);
    free(copy);
    return good;
}

static void test_constants(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint64_t value;
    } cases[] = {
        {"0", 0}, {"5", 5}, {"-1", UINT64_MAX}, {"0x1f", 31}, {"#12", 12}, {"#-1", UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct operand operand;
        assert_true(parse(cases[i].text, &operand));
        assert_int_equal(operand.kind, OPERAND_CONSTANT);
        assert_true(operand.constant == cases[i].value);
        assert_int_equal(operand.base, NONE);
        assert_int_equal(operand.index, NONE);
    }
}

static void test_registers(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint8_t slot, width;
    } cases[] = {
        {"x0", 0, 8}, {"x30", 30, 8}, {"w0", 0, 4}, {"w17", 17, 4}, {"sp", SP, 8},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct operand operand;
        assert_true(parse(cases[i].text, &operand));
        assert_int_equal(operand.kind, OPERAND_REGISTER);
        assert_int_equal(operand.base, cases[i].slot);
        assert_int_equal(operand.width, cases[i].width);
    }
}

static void test_memory(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint8_t base, index, scale;
        int64_t offset;
    } cases[] = {
        {"[x0]", 0, NONE, 0, 0},         {"[sp, 16]", SP, NONE, 0, 16},
        {"[sp,16]", SP, NONE, 0, 16},    {"[x1, -8]", 1, NONE, 0, -8},
        {"[x19, #24]", 19, NONE, 0, 24}, {"[x0, x1]", 0, 1, 0, 0},
        {"[x2, x3, lsl 3]", 2, 3, 3, 0}, {"[x2, x3, lsl #2]", 2, 3, 2, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct operand operand;
        assert_true(parse(cases[i].text, &operand));
        assert_int_equal(operand.kind, OPERAND_MEMORY);
        assert_int_equal(operand.base, cases[i].base);
        assert_int_equal(operand.index, cases[i].index);
        assert_int_equal(operand.scale, cases[i].scale);
        assert_true((int64_t)operand.constant == cases[i].offset);
    }
}

static void test_what_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "x",
        "x31",
        "w31",
        "x0x",
        "d0",
        "[",
        "[]",
        "[x0",
        "x0]",
        "[w0]",
        "[x0, w1]",
        "[x0,]",
        "[5]",
        "[x0, x1, 3]",
        "--1",
        "[x0] ,",
        "[x0, x1, lsl 4]",
        "[x0, x1, lsl]",
        "[x0, x1, asr 2]",
        "%rax",
        "$5",
        "8(%rax)",
        "[x0, :lo12:name]",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct operand operand;
        if (parse(texts[i], &operand))
            fail_msg("'%s' is taken for an operand", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
