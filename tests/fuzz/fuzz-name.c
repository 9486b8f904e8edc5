/* SPDX-License-Identifier: MIT */
/*
 * Escaped names. Unless it was cut, a shown name leads back to the very bytes it was made of: so no
 * two probes share a name. The first byte of the input says whether there is a provider, which ends
 * at a NUL.
 */
#include "fuzz.h"

#include "names/name.h"
#include "shared/reserved-names.h"

#include <stdbool.h>

/* As the cut names end: '~' and a hash. */
enum { CUT_MIN = NAME_LENGTH - 12, HASH = 16 };

static int hex_digit(char c)
{
    const char *digits = "0123456789ABCDEF";
    const char *found = c ? strchr(digits, c) : NULL;
    require(found); /* escapes are in upper case, and whole */
    return (int)(found - digits);
}

/* Takes escapes back, from SHOWN to END, and compares with PLAIN. */
static void check_round_trip(const char *shown, const char *end, const char *plain)
{
    for (; shown < end; plain++) {
        char byte = *shown++;
        if (byte == '%') {
            byte = (char)(hex_digit(shown[0]) << 4 | hex_digit(shown[1]));
            shown += 2;
        }
        require(byte == *plain);
    }
    require(*plain == '\0');
}

static void check_shown(const char *shown)
{
    require(strlen(shown) <= NAME_LENGTH && !strpbrk(shown, " /,*?[]\\\x7f"));
    require(!shown[0] || !strchr(".~#=", shown[0]));
    for (const char *at = shown; *at; at++)
        require((unsigned char)*at >= ' ');
    for (size_t i = 0; reserved_names[i]; i++)
        require(strcmp(shown, reserved_names[i]) != 0);
}

static void check_name(const char *provider, const char *name)
{
    char shown[NAME_LENGTH + 1];
    name_show(provider, name, reserved_names, shown);
    check_shown(shown);
    size_t length = strlen(shown);
    if (length >= CUT_MIN && shown[length - HASH - 1] == '~')
        return;
    const char *colon = strchr(shown, ':');
    require(provider ? colon != NULL : colon == NULL);
    if (provider)
        check_round_trip(shown, colon, provider);
    check_round_trip(provider ? colon + 1 : shown, shown + length, name);
}

/* Text for terminals and columns: whole or cut, it begins the same. */
static void check_text(const char *text, bool column)
{
    size_t length = strlen(text);
    size_t size = 3 * length + 1;
    char *whole = malloc(size);
    char *cut = malloc(length / 2 + 1);
    require(whole && cut);
    size_t used = text_escape(text, length, column, whole, size);
    require(used == strlen(whole));
    if (column)
        check_round_trip(whole, whole + used, text);
    size_t cut_used = text_escape(text, length, column, cut, length / 2 + 1);
    require(cut_used == strlen(cut) && cut_used <= used && memcmp(whole, cut, cut_used) == 0);
    free(whole);
    free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *first = string_of(data + 1, size - 1);
    size_t length = strlen(first);
    size_t used = length + 2 < size ? length + 2 : size;
    char *second = string_of(data + used, size - used);
    if (data[0] & 1)
        check_name(first, second);
    else if (first[0])
        check_name(NULL, first);
    check_text(first, true);
    check_text(first, false);
    free(first);
    free(second);
    return 0;
}
