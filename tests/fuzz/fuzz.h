/* SPDX-License-Identifier: MIT */
/* What all fuzzers include first: their entry point, and a property that has to hold. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(property)                                                                          \
    do {                                                                                           \
        if (!(property)) {                                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #property);                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* LENGTH bytes as a string, to be freed; it ends at the first NUL among them. */
static inline char *string_of(const uint8_t *data, size_t size)
{
    char *string = malloc(size + 1);
    require(string);
    memcpy(string, data, size);
    string[size] = '\0';
    return string;
}

#endif
