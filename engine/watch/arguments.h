/* SPDX-License-Identifier: MIT */
/*
 * The arguments of a site, as its note gives them: text in, a recipe and a way of showing out.
 *
 *   -4@%eax 8@-16(%rbp) 8f@%rcx
 *
 * Each is SIZE@OPERAND: the bytes of the value, below 0 where it is signed, with an f where it is
 * floating point.
 */
#ifndef ENGINE_WATCH_ARGUMENTS_H
#define ENGINE_WATCH_ARGUMENTS_H

#include "watch/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the value of an argument is shown. */
struct watch_argument {
    bool understood; /* else it is shown as `?` */
    bool is_signed, is_float;
    uint8_t size;  /* bytes of the value: 1, 2, 4 or 8 */
    uint8_t width; /* bytes that there are of it: a register may be narrower */
    uint8_t shift; /* bits below it */
    uint8_t text;  /* as in struct watch_operand */
};

struct watch_format {
    uint8_t count, shown; /* arguments, and those of them that are below: the rest is `?` */
    struct watch_argument arguments[WATCH_ARGUMENTS_MAX];
};

/* What an argument may refer to. */
struct watch_scope {
    uint64_t site; /* link-time address of the instruction that is watched */
    bool fixed;    /* the object is loaded at its link-time addresses */
    /* The link-time address of the symbol NAME of LENGTH bytes; false where there is none. */
    bool (*find)(void *data, const char *name, size_t length, uint64_t *address);
    void *data;
};

/*
 * Parses LENGTH bytes of TEXT. What is not understood leaves an argument that says so, and nothing
 * fails. Fills in RECIPE but for its probe.
 */
void watch_arguments_parse(const char *text, size_t length, const struct watch_scope *scope,
                           struct watch_recipe *recipe, struct watch_format *format);

#endif
