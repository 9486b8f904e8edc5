/* SPDX-License-Identifier: MIT */
#include "watch/arguments.h"

#include "arch/operand.h"

#include <string.h>

/* Cuts the next argument off what is left; spaces inside of brackets belong to it. */
static bool next_argument(const char **at, const char *end, const char **start, size_t *length)
{
    while (*at < end && **at == ' ')
        (*at)++;
    *start = *at;
    int depth = 0;
    for (; *at < end && (**at != ' ' || depth > 0); (*at)++) {
        if (**at == '(' || **at == '[')
            depth++;
        else if ((**at == ')' || **at == ']') && depth > 0)
            depth--;
    }
    *length = (size_t)(*at - *start);
    return *length > 0;
}

/* SIZE@: returns how many bytes it takes, or 0 where there is no size that is known. */
static size_t parse_size(const char *text, size_t length, struct watch_argument *argument)
{
    size_t used = 0;
    argument->is_signed = length > used && text[used] == '-';
    used += argument->is_signed;
    if (length == used || !memchr("1248", text[used], 4))
        return 0;
    argument->size = (uint8_t)(text[used++] - '0');
    argument->is_float = length > used && text[used] == 'f';
    used += argument->is_float;
    if (length == used || text[used++] != '@' || (argument->is_float && argument->size < 4))
        return 0;
    return used;
}

/*
 * The symbol in OPERAND becomes a distance from the site, which is known without knowing where the
 * object was loaded; but for objects that are never moved, where it is an address.
 */
static bool resolve_symbol(const struct watch_scope *scope, const struct operand *operand,
                           struct watch_operand *recipe)
{
    uint64_t address = 0;
    if (!operand->symbol)
        return true;
    if (!operand->relative && !scope->fixed)
        return false;
    if (!scope->find(scope->data, operand->symbol, operand->symbol_length, &address))
        return false;
    recipe->constant += operand->relative ? address - scope->site : address;
    return true;
}

static bool parse_operand(const char *text, size_t length, const struct watch_scope *scope,
                          struct watch_argument *argument, struct watch_operand *recipe)
{
    struct operand operand;
    if (!arch_parse_operand(text, length, &operand))
        return false;
    *recipe = (struct watch_operand){
        .constant = operand.constant,
        .base = operand.base,
        .index = operand.index,
        .scale = operand.scale,
        .load = operand.kind == OPERAND_MEMORY ? argument->size : 0,
    };
    bool narrow = operand.kind == OPERAND_REGISTER && operand.width < argument->size;
    argument->width = narrow ? operand.width : argument->size;
    argument->shift = operand.shift;
    return resolve_symbol(scope, &operand, recipe);
}

void watch_arguments_parse(const char *text, size_t length, const struct watch_scope *scope,
                           struct watch_recipe *recipe, struct watch_format *format)
{
    const struct watch_operand nothing = {.base = ARCH_SLOT_NONE, .index = ARCH_SLOT_NONE};
    const char *at = text;
    const char *start = NULL;
    size_t piece = 0;
    *recipe = (struct watch_recipe){0};
    *format = (struct watch_format){0};
    while (format->count < UINT8_MAX && next_argument(&at, text + length, &start, &piece)) {
        size_t index = format->count++;
        if (index >= WATCH_ARGUMENTS_MAX)
            continue;
        struct watch_argument *argument = &format->arguments[index];
        struct watch_operand *operand = &recipe->operands[index];
        size_t size = parse_size(start, piece, argument);
        argument->understood =
            size > 0 && parse_operand(start + size, piece - size, scope, argument, operand);
        if (!argument->understood)
            *operand = nothing;
        else if (argument->width == 8 && !argument->is_float)
            argument->text = operand->text = ++recipe->texts;
        format->shown = recipe->count = (uint8_t)(index + 1);
    }
}
