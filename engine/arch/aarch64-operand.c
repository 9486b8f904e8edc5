/* SPDX-License-Identifier: MIT */
/*
 * Operands as gcc and clang write them into notes:
 *
 *   5  -1  0x10                         constants
 *   x0  w1  sp  wsp                     registers
 *   [x0]  [sp, 16]  [x1, -8]            memory
 *   [x0, x1]  [x0, x1, lsl 3]
 */
#include "arch/operand.h"

#include <stdlib.h>
#include <string.h>

enum { STACK_POINTER = 31, TOKEN_MAX = 24 };

/* What is left of a text. */
struct cursor {
    const char *at, *end;
};

static void skip_spaces(struct cursor *cursor)
{
    while (cursor->at < cursor->end && *cursor->at == ' ')
        cursor->at++;
}

static bool take(struct cursor *cursor, char c)
{
    skip_spaces(cursor);
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

/* The next word, up to a bracket, a comma or a space; "" where there is none, or it is too long. */
static void take_word(struct cursor *cursor, char word[TOKEN_MAX])
{
    skip_spaces(cursor);
    const char *first = cursor->at;
    while (cursor->at < cursor->end && !strchr(" ,[]", *cursor->at))
        cursor->at++;
    size_t length = (size_t)(cursor->at - first);
    length = length < TOKEN_MAX ? length : 0;
    memcpy(word, first, length);
    word[length] = '\0';
}

static bool read_number(const char *word, uint64_t *number)
{
    char *end = NULL;
    if (*word == '#')
        word++;
    if (!*word || strspn(word, "-0123456789abcdefABCDEFx") != strlen(word))
        return false;
    *number = (uint64_t)strtoll(word, &end, 0);
    return *end == '\0';
}

static bool read_register(const char *word, uint8_t *slot, uint8_t *width)
{
    char *end = NULL;
    *width = *word == 'w' ? 4 : 8;
    if (strcmp(word, "sp") == 0 || strcmp(word, "wsp") == 0) {
        *slot = STACK_POINTER;
        return true;
    }
    if ((*word != 'x' && *word != 'w') || word[1] < '0' || word[1] > '9')
        return false;
    unsigned long number = strtoul(word + 1, &end, 10);
    *slot = (uint8_t)number;
    return *end == '\0' && number <= 30;
}

/* What stands behind the base: a number, or a register, which may be shifted. */
static bool take_index(struct cursor *cursor, struct operand *operand)
{
    char word[TOKEN_MAX];
    uint8_t width = 0;
    uint64_t shift = 0;
    take_word(cursor, word);
    if (read_number(word, &operand->constant))
        return true;
    if (!read_register(word, &operand->index, &width) || width != 8)
        return false;
    if (!take(cursor, ','))
        return true;
    take_word(cursor, word);
    if (strcmp(word, "lsl") != 0)
        return false;
    take_word(cursor, word);
    bool good = read_number(word, &shift) && shift <= 3;
    operand->scale = good ? (uint8_t)shift : 0;
    return good;
}

static bool take_memory(struct cursor *cursor, struct operand *operand)
{
    char word[TOKEN_MAX];
    uint8_t width = 0;
    operand->kind = OPERAND_MEMORY;
    take_word(cursor, word);
    if (!read_register(word, &operand->base, &width) || width != 8)
        return false;
    return (!take(cursor, ',') || take_index(cursor, operand)) && take(cursor, ']');
}

bool arch_parse_operand(const char *text, size_t length, struct operand *result)
{
    char word[TOKEN_MAX];
    struct cursor cursor = {text, text + length};
    struct operand operand = {.base = ARCH_SLOT_NONE, .index = ARCH_SLOT_NONE};
    bool good = false;
    if (take(&cursor, '[')) {
        good = take_memory(&cursor, &operand);
    } else {
        take_word(&cursor, word);
        good = read_register(word, &operand.base, &operand.width);
        operand.kind = good ? OPERAND_REGISTER : OPERAND_CONSTANT;
        if (!good) {
            operand.base = ARCH_SLOT_NONE;
            good = read_number(word, &operand.constant);
        }
    }
    if (!good || cursor.at != cursor.end)
        return false;
    *result = operand;
    return true;
}
