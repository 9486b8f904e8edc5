/* SPDX-License-Identifier: MIT */
/*
 * A cache of the loader's: what is found in it is a string within it. The input is the name that is
 * looked for, a NUL, and the cache.
 */
#include "fuzz.h"

#include "start/ld-cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hwcaps[] = {"x86-64-v3", "x86-64-v2", NULL};
    char *name = string_of(data, size);
    size_t skipped = strlen(name) + 1;
    if (skipped <= size) {
        const char *cache = (const char *)data + skipped;
        const char *found = ld_cache_find(cache, size - skipped, name, 0x0303, hwcaps);
        if (found) {
            require(found >= cache && found < cache + size - skipped);
            require(memchr(found, '\0', (size_t)(cache + size - skipped - found)));
        }
    }
    free(name);
    return 0;
}
