/* SPDX-License-Identifier: MIT */
#include "names/name.h"

#include "probe-engine.h"

#include <errno.h>
#include <sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name that was cut ends in '~' and this many hex digits: 64 bits of the SHA-256 of the whole. */
enum { HASH_DIGITS = 16, ESCAPE_LENGTH = 3, CHARACTER_MAX = 4 };

/*
 * Decodes one character of UTF-8. Returns its length, or 0 if the bytes are not valid; overlong
 * forms and surrogates are not.
 */
static size_t utf8_decode(const unsigned char *bytes, size_t left, uint32_t *character)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t length = 1; length <= CHARACTER_MAX && length <= left; length++) {
        if ((bytes[0] & forms[length - 1].mask) != forms[length - 1].lead)
            continue;
        uint32_t value = bytes[0] & (unsigned char)~forms[length - 1].mask;
        for (size_t i = 1; i < length; i++) {
            if ((bytes[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (bytes[i] & 0x3f);
        }
        if (value < forms[length - 1].least || value > 0x10ffff ||
            (value >= 0xd800 && value <= 0xdfff))
            return 0;
        *character = value;
        return length;
    }
    return 0;
}

/*
 * Characters that a terminal does not draw, or that move others: controls (C0, DEL, C1), separators
 * of lines, and what Unicode calls default ignorable (DerivedCoreProperties.txt, 15.0).
 */
static const struct {
    uint32_t first, last;
} hidden[] = {
    /* in order */
    {0x0, 0x1f},      {0x7f, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},
    {0x115f, 0x1160}, {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f}, {0x3164, 0x3164},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_hidden(uint32_t character)
{
    size_t i = 0;
    while (i < sizeof(hidden) / sizeof(*hidden) && hidden[i].last < character)
        i++;
    return i < sizeof(hidden) / sizeof(*hidden) && hidden[i].first <= character;
}

size_t text_plain_character(const char *text, size_t left)
{
    uint32_t character = 0;
    size_t length = utf8_decode((const unsigned char *)text, left, &character);
    return length > 0 && !is_hidden(character) ? length : 0;
}

/* Writes the next character of TEXT, escaped if need be; returns how many bytes of TEXT it took. */
static size_t character_escape(const char *text, size_t left, const char *special, char *out,
                               size_t *out_length)
{
    uint32_t character = 0;
    size_t length = utf8_decode((const unsigned char *)text, left, &character);
    bool plain = length > 0 && !is_hidden(character) &&
                 !(character < 0x80 && character && strchr(special, (int)character));
    if (length == 0)
        length = 1;
    if (plain) {
        memcpy(out, text, length);
        *out_length = length;
    } else {
        for (size_t i = 0; i < length; i++)
            snprintf(out + i * ESCAPE_LENGTH, ESCAPE_LENGTH + 1, "%%%02X", (unsigned char)text[i]);
        *out_length = length * ESCAPE_LENGTH;
    }
    return length;
}

static size_t bytes_escape(const char *text, size_t length, const char *special, char *out,
                           size_t size)
{
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        char piece[CHARACTER_MAX * ESCAPE_LENGTH + 1];
        size_t piece_length = 0;
        at += character_escape(text + at, length - at, special, piece, &piece_length);
        if (used + piece_length + 1 > size)
            break;
        memcpy(out + used, piece, piece_length);
        used += piece_length;
    }
    out[used] = '\0';
    return used;
}

size_t text_escape(const char *text, size_t length, bool column, char *out, size_t size)
{
    return bytes_escape(text, length, column ? " %\\" : "", out, size);
}

size_t probe_escape(const char *text, size_t length, char *out, size_t size)
{
    return text_escape(text, length, false, out, size);
}

static bool misleads_at_start(const char *name)
{
    return name[0] && strchr(".~#=", name[0]);
}

static bool is_reserved(const char *name, const char *const *reserved)
{
    while (reserved && *reserved && strcmp(name, *reserved) != 0)
        reserved++;
    return reserved && *reserved;
}

/* A cut drops one escaped character at most, 12 bytes, so that a name that was cut is no shorter.
 */
enum { CUT_MIN = NAME_LENGTH - CHARACTER_MAX * ESCAPE_LENGTH };

static bool looks_cut(const char *shown, size_t length)
{
    return length >= CUT_MIN && shown[length - HASH_DIGITS - 1] == '~' &&
           strspn(shown + length - HASH_DIGITS, "0123456789abcdef") == HASH_DIGITS;
}

/* Escapes PART behind the USED bytes of SHOWN; returns false if it had to be cut. */
static bool name_append(const char *part, const char *special, bool escape_first, char *shown,
                        size_t *used)
{
    size_t length = strlen(part);
    if (escape_first) {
        *used += (size_t)snprintf(shown + *used, NAME_LENGTH + 1 - *used, "%%%02X",
                                  (unsigned char)part[0]);
        part++;
        length--;
    }
    /* Count what the whole needs before writing it: a cut could leave no trace. */
    size_t whole = 0;
    for (size_t at = 0; at < length && *used + whole <= NAME_LENGTH;) {
        char piece[CHARACTER_MAX * ESCAPE_LENGTH + 1];
        size_t piece_length = 0;
        at += character_escape(part + at, length - at, special, piece, &piece_length);
        whole += piece_length;
    }
    bool fits = *used + whole <= NAME_LENGTH;
    *used += bytes_escape(part, length, special, shown + *used, NAME_LENGTH + 1 - *used);
    return fits;
}

/* Makes the name end in a hash of the whole, in place of what does not fit. */
static void name_cut(const char *provider, const char *name, char *shown, size_t used)
{
    size_t keep = NAME_LENGTH - HASH_DIGITS - 1;
    if (used > keep)
        used = keep;
    /* Cut neither an escape nor a character in two. */
    if (used >= 1 && shown[used - 1] == '%')
        used -= 1;
    else if (used >= 2 && shown[used - 2] == '%')
        used -= 2;
    while (used > 0 && ((unsigned char)shown[used] & 0xc0) == 0x80)
        used--;

    SHA2_CTX context;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256Init(&context);
    if (provider)
        SHA256Update(&context, (const uint8_t *)provider, strlen(provider) + 1);
    SHA256Update(&context, (const uint8_t *)name, strlen(name) + 1);
    SHA256Final(digest, &context);

    shown[used++] = '~';
    for (size_t i = 0; i < HASH_DIGITS / 2; i++)
        snprintf(shown + used + 2 * i, 3, "%02x", digest[i]);
}

void name_show(const char *provider, const char *name, const char *const *reserved,
               char shown[NAME_LENGTH + 1])
{
    static const char special[] = " /%,*?[]\\";
    static const char special_colon[] = " /%,*?[]\\:";
    size_t used = 0;
    bool fits = true;

    /* The first colon ends the provider: neither a provider nor an OCaml name may have one. */
    if (provider) {
        fits = name_append(provider, special_colon, misleads_at_start(provider), shown, &used);
        if (fits && used < NAME_LENGTH)
            used += (size_t)snprintf(shown + used, NAME_LENGTH + 1 - used, ":");
        else
            fits = false;
    }
    if (fits)
        fits = name_append(name, provider ? special : special_colon,
                           !provider && (misleads_at_start(name) || is_reserved(name, reserved)),
                           shown, &used);
    /* A name that looks like one that was cut is cut too, or two probes could share a name. */
    if (!fits || looks_cut(shown, used))
        name_cut(provider, name, shown, used);
}

static int digit_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Replaces each %XX by its byte, in place. A byte of 0 is in no name, and stays as it is. */
static void unescape(char *text)
{
    char *out = text;
    for (const char *at = text; *at; at++) {
        int high = *at == '%' ? digit_value(at[1]) : -1;
        int low = high >= 0 ? digit_value(at[2]) : -1;
        bool escaped = low >= 0 && (high > 0 || low > 0);
        *out = *at;
        if (escaped)
            *out = (char)(high << 4 | low);
        out++;
        at += escaped ? ESCAPE_LENGTH - 1 : 0;
    }
    *out = '\0';
}

int name_show_full(const char *full, char shown[NAME_LENGTH + 1])
{
    char *name = strdup(full);
    if (!name)
        return -ENOMEM;
    char *colon = strchr(name, ':');
    if (colon) {
        *colon = '\0';
        unescape(colon + 1);
    }
    unescape(name);
    name_show(colon ? name : NULL, colon ? colon + 1 : name, NULL, shown);
    free(name);
    return 0;
}
