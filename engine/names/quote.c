/* SPDX-License-Identifier: MIT */
#include "names/quote.h"

#include "names/name.h"

#include <stdbool.h>
#include <string.h>

/* The letter behind the backslash, or 0 where the character is no such one. */
static char escape_letter(char c)
{
    static const char plain[] = "\"\\\t\n\r";
    static const char letters[] = "\"\\tnr";
    const char *found = c ? strchr(plain, c) : NULL;
    return (char)(found ? letters[found - plain] : '\0');
}

/* May these bytes be the first ones of a character whose rest was cut off? */
static bool is_cut_character(const char *text, size_t length)
{
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return false;
    }
    return (unsigned char)text[0] >= 0xc2 && (unsigned char)text[0] <= 0xf4 && length < 4;
}

size_t text_quote(const char *text, size_t length, size_t most, char *out)
{
    char *to = out;
    size_t at = 0;
    *to++ = '"';
    while (at < length) {
        char letter = escape_letter(text[at]);
        size_t piece = letter ? 1 : text_plain_character(text + at, length - at);
        if (piece == 0 && !(length > most && is_cut_character(text + at, length - at)))
            return 0;
        if (piece == 0 || at + piece > most)
            break;
        if (letter) {
            *to++ = '\\';
            *to++ = letter;
        } else {
            memcpy(to, text + at, piece);
            to += piece;
        }
        at += piece;
    }
    *to++ = '"';
    if (at < length) {
        memcpy(to, "...", 3);
        to += 3;
    }
    return (size_t)(to - out);
}
