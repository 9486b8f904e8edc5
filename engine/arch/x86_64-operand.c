/* SPDX-License-Identifier: MIT */
/*
 * Operands in AT&T's syntax:
 *
 *   $5  $-1  $0x10  $symbol             constants
 *   %rax %eax %ax %al %ah %r8d %sil     registers
 *   -8(%rbp)  (%rax)  8(%rax,%rbx,4)    memory: displacement(base,index,scale)
 *   symbol(%rip)  40+symbol(%rip)       memory of the object, wherever it is loaded
 *   symbol  symbol(,%rax,8)  4096       memory at an address that was known when it was linked
 *
 * Next to %rip the symbol alone says where: the assembler makes the distance of it.
 */
#include "arch/operand.h"

#include <string.h>

/* What is left of a text. */
struct cursor {
    const char *at, *end;
};

struct register_name {
    const char *name;
    uint8_t slot, width, shift;
};

/* Names of the registers that are older than numbers, by slot. */
static const struct register_name names[] = {
    {"rax", 0, 8, 0},
    {"eax", 0, 4, 0},
    {"ax", 0, 2, 0},
    {"al", 0, 1, 0},
    {"ah", 0, 1, 8},
    {"rdx", 1, 8, 0},
    {"edx", 1, 4, 0},
    {"dx", 1, 2, 0},
    {"dl", 1, 1, 0},
    {"dh", 1, 1, 8},
    {"rcx", 2, 8, 0},
    {"ecx", 2, 4, 0},
    {"cx", 2, 2, 0},
    {"cl", 2, 1, 0},
    {"ch", 2, 1, 8},
    {"rbx", 3, 8, 0},
    {"ebx", 3, 4, 0},
    {"bx", 3, 2, 0},
    {"bl", 3, 1, 0},
    {"bh", 3, 1, 8},
    {"rsi", 4, 8, 0},
    {"esi", 4, 4, 0},
    {"si", 4, 2, 0},
    {"sil", 4, 1, 0},
    {"rdi", 5, 8, 0},
    {"edi", 5, 4, 0},
    {"di", 5, 2, 0},
    {"dil", 5, 1, 0},
    {"rbp", 6, 8, 0},
    {"ebp", 6, 4, 0},
    {"bp", 6, 2, 0},
    {"bpl", 6, 1, 0},
    {"rsp", 7, 8, 0},
    {"esp", 7, 4, 0},
    {"sp", 7, 2, 0},
    {"spl", 7, 1, 0},
    {"rip", ARCH_SLOT_SITE, 8, 0},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
}

static bool take(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

/* The numbered ones: r8 to r15, and their lower parts r8d, r8w, r8b. */
static bool find_numbered(const char *name, size_t length, struct register_name *found)
{
    if (length < 2 || length > 4 || name[0] != 'r' || !is_digit(name[1]))
        return false;
    unsigned int number = (unsigned int)(name[1] - '0');
    size_t used = 2;
    if (number == 1 && length > used && is_digit(name[used]))
        number = 10 + (unsigned int)(name[used++] - '0');
    if (number < 8 || number > 15 || length > used + 1)
        return false;
    const char *suffix = length == used ? "" : memchr("dwb", name[used], 3);
    if (!suffix)
        return false;
    uint8_t width = *suffix == 'd' ? 4 : *suffix == 'w' ? 2 : *suffix == 'b' ? 1 : 8;
    *found = (struct register_name){"", (uint8_t)number, width, 0};
    return true;
}

static bool find_register(const char *name, size_t length, struct register_name *found)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strlen(names[i].name) == length && memcmp(names[i].name, name, length) == 0) {
            *found = names[i];
            return true;
        }
    }
    return find_numbered(name, length, found);
}

static bool take_register(struct cursor *cursor, struct register_name *found)
{
    if (!take(cursor, '%'))
        return false;
    const char *name = cursor->at;
    while (cursor->at < cursor->end && (is_letter(*cursor->at) || is_digit(*cursor->at)))
        cursor->at++;
    return find_register(name, (size_t)(cursor->at - name), found);
}

static int digit_value(char c, unsigned int base)
{
    int value = is_digit(c)                          ? c - '0'
                : base == 16 && c >= 'a' && c <= 'f' ? c - 'a' + 10
                : base == 16 && c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
    return value < (int)base ? value : -1;
}

/* A number of 64 bits, as the assembler wraps it: $18446744073709551615 is $-1. */
static bool take_number(struct cursor *cursor, uint64_t *number)
{
    unsigned int base = 10;
    uint64_t value = 0;
    if (cursor->end - cursor->at > 2 && cursor->at[0] == '0' && (cursor->at[1] | 0x20) == 'x') {
        cursor->at += 2;
        base = 16;
    }
    const char *first = cursor->at;
    for (int digit = 0; cursor->at < cursor->end; cursor->at++) {
        digit = digit_value(*cursor->at, base);
        if (digit < 0)
            break;
        if (value > (UINT64_MAX - (unsigned int)digit) / base)
            return false;
        value = value * base + (unsigned int)digit;
    }
    *number = value;
    return cursor->at > first;
}

static bool take_symbol(struct cursor *cursor, struct operand *operand)
{
    const char *first = cursor->at;
    if (operand->symbol || first == cursor->end || !is_letter(*first))
        return false;
    while (cursor->at < cursor->end &&
           (is_letter(*cursor->at) || is_digit(*cursor->at) || *cursor->at == '$'))
        cursor->at++;
    operand->symbol = first;
    operand->symbol_length = (size_t)(cursor->at - first);
    return true;
}

/* A sum of numbers, and of one symbol at most: 40+symbol, symbol-8. */
static bool take_sum(struct cursor *cursor, struct operand *operand)
{
    bool minus = take(cursor, '-');
    for (;;) {
        uint64_t number = 0;
        if (cursor->at < cursor->end && is_digit(*cursor->at)) {
            if (!take_number(cursor, &number))
                return false;
            operand->constant += minus ? 0 - number : number;
        } else if (minus || !take_symbol(cursor, operand)) {
            return false;
        }
        minus = take(cursor, '-');
        if (!minus && !take(cursor, '+'))
            return true;
    }
}

static bool take_scale(struct cursor *cursor, uint8_t *scale)
{
    static const char factors[] = "1248";
    if (cursor->at == cursor->end)
        return false;
    const char *found = memchr(factors, *cursor->at, sizeof(factors) - 1);
    if (!found)
        return false;
    cursor->at++;
    *scale = (uint8_t)(found - factors);
    return true;
}

/* What stands in parentheses: (base), (base,index), (base,index,scale), (,index,scale). */
static bool take_registers(struct cursor *cursor, struct operand *operand)
{
    struct register_name found = {.slot = ARCH_SLOT_NONE, .width = 8};
    if (cursor->at < cursor->end && *cursor->at == '%' && !take_register(cursor, &found))
        return false;
    operand->base = found.slot;
    if (found.width != 8)
        return false;
    if (take(cursor, ',')) {
        if (!take_register(cursor, &found) || found.width != 8 || found.slot == ARCH_SLOT_SITE)
            return false;
        operand->index = found.slot;
        if (take(cursor, ',') && !take_scale(cursor, &operand->scale))
            return false;
    }
    if (operand->base == ARCH_SLOT_NONE && operand->index == ARCH_SLOT_NONE)
        return false;
    operand->relative = operand->base == ARCH_SLOT_SITE;
    /* A distance from the next instruction says nothing without a symbol. */
    return take(cursor, ')') && (!operand->relative || operand->symbol);
}

static bool take_memory(struct cursor *cursor, struct operand *operand)
{
    operand->kind = OPERAND_MEMORY;
    bool sum = cursor->at < cursor->end && *cursor->at != '(';
    if (sum && !take_sum(cursor, operand))
        return false;
    return take(cursor, '(') ? take_registers(cursor, operand) : sum;
}

bool arch_parse_operand(const char *text, size_t length, struct operand *result)
{
    struct cursor cursor = {text, text + length};
    struct operand operand = {.base = ARCH_SLOT_NONE, .index = ARCH_SLOT_NONE};
    bool good = false;
    if (take(&cursor, '$')) {
        operand.kind = OPERAND_CONSTANT;
        good = take_sum(&cursor, &operand);
    } else if (length > 0 && text[0] == '%') {
        struct register_name found = {0};
        good = take_register(&cursor, &found) && found.slot != ARCH_SLOT_SITE;
        operand.kind = OPERAND_REGISTER;
        operand.base = found.slot;
        operand.width = found.width;
        operand.shift = found.shift;
    } else {
        good = take_memory(&cursor, &operand);
    }
    if (!good || cursor.at != cursor.end)
        return false;
    *result = operand;
    return true;
}
