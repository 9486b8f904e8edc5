/* SPDX-License-Identifier: MIT */
/* The descriptor of one note: its strings lie within it, and a shift that is undone is none. */
#include "fuzz.h"

#include "object/format.h"
#include "object/note.h"

static void check_string(const char *string, const uint8_t *data, size_t size)
{
    const uint8_t *start = (const uint8_t *)string;
    require(start >= data && start < data + size);
    require(memchr(start, '\0', (size_t)(data + size - start)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct note note = {0};
    if (note_parse(data, size, &note) < 0)
        return 0;
    check_string(note.provider, data, size);
    check_string(note.name, data, size);
    check_string(note.arguments, data, size);
    require(format_find(note.provider));

    const struct note before = note;
    note_shift(&note, before.base + before.semaphore);
    require((note.site == 0) == (before.site == 0) || before.base != 0);
    require(before.base != 0 || note.semaphore == before.semaphore);
    return 0;
}
