/* SPDX-License-Identifier: MIT */
#include "object/note.h"

#include <errno.h>
#include <string.h>

enum { WORDS = 3, WORD = sizeof(uint64_t) };

/* Takes a NUL-ended string off the front of what is left. NULL if none ends there. */
static const char *take_string(const char **rest, size_t *left)
{
    const char *string = *rest;
    const char *end = memchr(string, '\0', *left);
    if (!end)
        return NULL;
    *left -= (size_t)(end + 1 - string);
    *rest = end + 1;
    return string;
}

int note_parse(const void *bytes, size_t length, struct note *note)
{
    uint64_t words[WORDS];
    if (length < sizeof(words))
        return -EINVAL;
    memcpy(words, bytes, sizeof(words));

    const char *rest = (const char *)bytes + sizeof(words);
    size_t left = length - sizeof(words);
    const char *provider = take_string(&rest, &left);
    const char *name = provider ? take_string(&rest, &left) : NULL;
    const char *arguments = name ? take_string(&rest, &left) : NULL;
    if (!arguments)
        return -EINVAL;

    *note = (struct note){words[0], words[1], words[2], provider, name, arguments};
    return 0;
}

void note_shift(struct note *note, uint64_t base_address)
{
    if (base_address == 0 || note->base == 0)
        return;
    uint64_t distance = base_address - note->base;
    if (note->site)
        note->site += distance;
    if (note->semaphore)
        note->semaphore += distance;
}
