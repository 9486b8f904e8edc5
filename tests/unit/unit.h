/* SPDX-License-Identifier: MIT */
/* What all unit tests include first: cmocka, and bytes that a sanitizer watches. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof(*(array)))

/*
 * LENGTH bytes in memory of exactly that size, to be freed: one byte read behind them is a finding
 * of AddressSanitizer.
 */
static inline void *exact_copy(const void *bytes, size_t length)
{
    void *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

/* A sentence for people: it is there, it fits, and it names WHAT. */
#define assert_sentence(error, what)                                                               \
    do {                                                                                           \
        assert_true((error).text[0] != '\0');                                                      \
        if (!strstr((error).text, (what)))                                                         \
            fail_msg("the sentence '%s' does not say '%s'", (error).text, (what));                 \
    } while (0)

#endif
