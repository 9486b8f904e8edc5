/* SPDX-License-Identifier: MIT */
#include "common/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A cookie_write_function_t: returns SIZE, or 0 for an error. */
static ssize_t append(void *cookie, const char *bytes, size_t size)
{
    struct text *text = cookie;
    if (size > text->room - text->length) {
        size_t room = 2 * text->room > text->length + size ? 2 * text->room : text->length + size;
        char *larger = realloc(text->bytes, room);
        if (!larger) {
            errno = ENOMEM;
            return 0;
        }
        text->bytes = larger;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, size);
    text->length += size;
    return (ssize_t)size;
}

FILE *text_open(struct text *text)
{
    *text = (struct text){.bytes = NULL};
    return fopencookie(text, "w", (cookie_io_functions_t){.write = append});
}

int text_close(struct text *text, FILE *out)
{
    int failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return 0;
    free(text->bytes);
    *text = (struct text){.bytes = NULL};
    return -ENOMEM;
}

void text_clean(char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= ' ' && byte < 0x7f)
            continue;
        bool is_c1 = (byte & 0xe0) == 0x80 && i > 0 && (unsigned char)bytes[i - 1] == 0xc2;
        if ((byte < ' ' && byte != '\n' && byte != '\t') || byte == 0x7f || is_c1)
            bytes[i] = '?';
    }
}
