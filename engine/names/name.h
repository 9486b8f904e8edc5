/* SPDX-License-Identifier: MIT */
/*
 * Makes text from a target safe to show: bytes that would mislead are escaped as %XX.
 *
 * Text is read as UTF-8. Bytes that are not valid UTF-8, control characters (C0, DEL, C1) and
 * characters that hide or reorder text on a terminal are always escaped. What else is escaped
 * depends on where the text goes. Names and columns escape '%' too, so that no two look the same.
 */
#ifndef ENGINE_NAME_H
#define ENGINE_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* The longest name a directory entry can have, without its NUL. */
enum { NAME_LENGTH = 255 };

/*
 * Writes the name that a probe is shown under into SHOWN: PROVIDER:NAME, or NAME if PROVIDER is
 * NULL. If that is one of the RESERVED (NULL-ended; NULL for none), its first byte is escaped. A
 * name that would be longer than NAME_LENGTH is cut and ends in '~' and a hash of the whole.
 */
void name_show(const char *provider, const char *name, const char *const *reserved,
               char shown[NAME_LENGTH + 1]);

/*
 * The same for a name in its full form, escaped but not cut: how one that is longer than
 * NAME_LENGTH is shown. Errors: ENOMEM.
 */
int name_show_full(const char *full, char shown[NAME_LENGTH + 1]);

/*
 * Escapes LENGTH bytes of TEXT into OUT of SIZE, NUL-ended; returns the length written. Text that
 * does not fit is cut behind a whole character. COLUMN also escapes space, '%' and '\'.
 */
size_t text_escape(const char *text, size_t length, bool column, char *out, size_t size);

/*
 * The length of the character that TEXT begins with, where it is one of UTF-8 and a terminal shows
 * it as what it is; else 0. LEFT bytes are there.
 */
size_t text_plain_character(const char *text, size_t left);

#endif
