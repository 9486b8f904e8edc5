/* SPDX-License-Identifier: MIT */
/* Operands of x86-64, one by one. */
#include "unit.h"

#include "arch/operand.h"

enum { RAX = 0, RDX = 1, RCX = 2, RBX = 3, RBP = 6, RSP = 7, NONE = ARCH_SLOT_NONE };

static bool parse(const char *text, struct operand *operand)
{
    size_t length = strlen(text);
    char *copy = exact_copy(text, length);
    bool good = arch_parse_operand(copy, length, operand);
    /* The symbol points into the copy. */
    if (good && operand->symbol)
        operand->symbol = text + (operand->symbol - copy);
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
        {"$0", 0},
        {"$5", 5},
        {"$-1", UINT64_MAX},
        {"$0x1F", 31},
        {"$0Xa", 10},
        {"$-0x10", 0 - UINT64_C(16)},
        {"$18446744073709551615", UINT64_MAX},
        {"$-9223372036854775808", UINT64_C(1) << 63},
        {"$3+4-2", 5},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct operand operand;
        assert_true(parse(cases[i].text, &operand));
        assert_int_equal(operand.kind, OPERAND_CONSTANT);
        assert_true(operand.constant == cases[i].value);
        assert_null(operand.symbol);
        assert_int_equal(operand.base, NONE);
        assert_int_equal(operand.index, NONE);
    }
}

static void test_registers(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint8_t slot, width, shift;
    } cases[] = {
        {"%rax", 0, 8, 0},  {"%eax", 0, 4, 0},   {"%ax", 0, 2, 0},   {"%al", 0, 1, 0},
        {"%ah", 0, 1, 8},   {"%rdx", 1, 8, 0},   {"%dh", 1, 1, 8},   {"%ecx", 2, 4, 0},
        {"%ch", 2, 1, 8},   {"%bx", 3, 2, 0},    {"%bh", 3, 1, 8},   {"%rsi", 4, 8, 0},
        {"%sil", 4, 1, 0},  {"%edi", 5, 4, 0},   {"%dil", 5, 1, 0},  {"%rbp", 6, 8, 0},
        {"%bpl", 6, 1, 0},  {"%rsp", 7, 8, 0},   {"%spl", 7, 1, 0},  {"%sp", 7, 2, 0},
        {"%r8", 8, 8, 0},   {"%r8d", 8, 4, 0},   {"%r9w", 9, 2, 0},  {"%r10b", 10, 1, 0},
        {"%r11", 11, 8, 0}, {"%r12d", 12, 4, 0}, {"%r15", 15, 8, 0}, {"%r15b", 15, 1, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct operand operand;
        assert_true(parse(cases[i].text, &operand));
        assert_int_equal(operand.kind, OPERAND_REGISTER);
        assert_int_equal(operand.base, cases[i].slot);
        assert_int_equal(operand.width, cases[i].width);
        assert_int_equal(operand.shift, cases[i].shift);
    }
}

static void test_memory(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t constant;
        uint8_t base, index, scale;
    } cases[] = {
        {"(%rax)", 0, RAX, NONE, 0},        {"8(%rsp)", 8, RSP, NONE, 0},
        {"-16(%rbp)", -16, RBP, NONE, 0},   {"0x20(%r13)", 32, 13, NONE, 0},
        {"(%rax,%rbx)", 0, RAX, RBX, 0},    {"(%rax,%rbx,1)", 0, RAX, RBX, 0},
        {"4(%rcx,%rdx,2)", 4, RCX, RDX, 1}, {"-4(%rcx,%rdx,4)", -4, RCX, RDX, 2},
        {"(%rcx,%r9,8)", 0, RCX, 9, 3},     {"8(,%rax,8)", 8, NONE, RAX, 3},
        {"4096", 4096, NONE, NONE, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct operand operand;
        assert_true(parse(cases[i].text, &operand));
        assert_int_equal(operand.kind, OPERAND_MEMORY);
        assert_true(operand.constant == (uint64_t)cases[i].constant);
        assert_int_equal(operand.base, cases[i].base);
        assert_int_equal(operand.index, cases[i].index);
        assert_int_equal(operand.scale, cases[i].scale);
        assert_false(operand.relative);
    }
}

static void test_symbols(void **state)
{
    (void)state;
    const struct {
        const char *text, *symbol;
        int64_t constant;
        uint8_t base, index;
        bool relative;
    } cases[] = {
        {"sym(%rip)", "sym", 0, ARCH_SLOT_SITE, NONE, true},
        {"40+sym(%rip)", "sym", 40, ARCH_SLOT_SITE, NONE, true},
        {"sym+40(%rip)", "sym", 40, ARCH_SLOT_SITE, NONE, true},
        {"sym-8+4(%rip)", "sym", -4, ARCH_SLOT_SITE, NONE, true},
        {"-8+sym(%rip)", "sym", -8, ARCH_SLOT_SITE, NONE, true},
        {"_s.1$x(%rip)", "_s.1$x", 0, ARCH_SLOT_SITE, NONE, true},
        {"sym", "sym", 0, NONE, NONE, false},
        {"sym(,%rax,4)", "sym", 0, NONE, RAX, false},
        {"sym(%rbx)", "sym", 0, RBX, NONE, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct operand operand;
        assert_true(parse(cases[i].text, &operand));
        assert_int_equal(operand.kind, OPERAND_MEMORY);
        assert_int_equal(operand.symbol_length, strlen(cases[i].symbol));
        assert_memory_equal(operand.symbol, cases[i].symbol, operand.symbol_length);
        assert_true(operand.constant == (uint64_t)cases[i].constant);
        assert_int_equal(operand.base, cases[i].base);
        assert_int_equal(operand.index, cases[i].index);
        assert_int_equal(operand.relative, cases[i].relative);
    }
    struct operand constant;
    assert_true(parse("$sym+2", &constant));
    assert_int_equal(constant.kind, OPERAND_CONSTANT);
    assert_int_equal(constant.symbol_length, 3);
    assert_true(constant.constant == 2);
}

static void test_what_is_not_understood(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "$",
        "%",
        "%xmm0",
        "%st(1)",
        "%rflags",
        "%r7",
        "%r16",
        "%r1",
        "%r8x",
        "%r8dd",
        "%fs:0",
        "%gs:8",
        "%rip",
        "8(%rip)",
        "(%rip)",
        "(%eax)",
        "(%ax)",
        "8(%rax",
        "8(%rax))",
        "(%rax,%rbx,3)",
        "(%rax,%rbx,)",
        "(%rax,,2)",
        "(%rax,%rip)",
        "()",
        "(rax)",
        "8 (%rax)",
        "$1 ",
        "$--1",
        "$-",
        "$+",
        "$5+",
        "$0x",
        "$-sym",
        "a+b(%rip)",
        "sym@GOTPCREL(%rip)",
        "$18446744073709551616",
        "99999999999999999999(%rax)",
        "%rax ",
        "(%rax)x",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct operand operand = {.width = 77};
        if (parse(cases[i], &operand))
            fail_msg("'%s' is understood", cases[i]);
        assert_int_equal(operand.width, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_what_is_not_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
