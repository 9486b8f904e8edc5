/* SPDX-License-Identifier: MIT */
#include "object/format.h"

#include <stddef.h>
#include <string.h>

static const struct format formats[] = {
    {.provider = "ocaml",
     .named_layout = true,
     .needs_semaphore = true,
     .needs_site = true,
     .patched = true},
    {.provider = "ocaml.1",
     .counter_shift = 2,
     .one_semaphore = true,
     .needs_semaphore = true,
     .needs_site = true,
     .patched = true},
    {.provider = "ocaml_1",
     .counter_shift = 2,
     .one_semaphore = true,
     .needs_semaphore = true,
     .needs_site = true,
     .patched = true},
    {.provider = "ocaml_2",
     .counter_shift = 2,
     .one_semaphore = true,
     .needs_semaphore = true,
     .patched = true},
    {.provider = NULL, .needs_site = true, .prefixed = true},
};

const struct format *format_find(const char *provider)
{
    const struct format *format = formats;
    while (format->provider && strcmp(format->provider, provider) != 0)
        format++;
    return format;
}
