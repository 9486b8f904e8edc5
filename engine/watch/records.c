/* SPDX-License-Identifier: MIT */
#include "watch/records.h"

#include "arch/registers.h"
#include "names/quote.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where eight bytes begin to look like an address rather than a number. */
static const uint64_t hex_from = 64 << 10;

/* The longest that %g writes, and a NUL. */
enum { FLOAT_ROOM = 32 };

struct kind {
    uint8_t values, texts;
};

static const struct kind kinds[] = {
#define ROW(values, texts) {values, texts},
    WATCH_KINDS(ROW)
#undef ROW
};

unsigned int record_kind(uint8_t count, uint8_t texts)
{
    unsigned int kind = 0;
    while (count > kinds[kind].values || texts > kinds[kind].texts)
        kind++;
    return kind;
}

size_t record_size(uint8_t count, uint8_t texts)
{
    const struct kind *kind = &kinds[record_kind(count, texts)];
    return sizeof(struct watch_record) + kind->values * sizeof(uint64_t) +
           kind->texts * sizeof(struct watch_text);
}

/* ---- values ----------------------------------------------------------------------------- */

static bool read_memory(const struct record_reader *reader, uint64_t address, void *bytes,
                        size_t length)
{
    return reader->mem >= 0 && pread(reader->mem, bytes, length, (off_t)address) == (ssize_t)length;
}

/* The bytes of the value, in the low end; false where memory could not be read, then nor now. */
static bool find_value(const struct record_reader *reader, const struct watch_record *record,
                       size_t i, const struct watch_argument *argument, uint64_t *value)
{
    uint64_t raw = record->values[i];
    if (record->failed[i]) {
        uint64_t address = raw;
        raw = 0;
        if (!read_memory(reader, address, &raw, argument->size))
            return false;
    }
    raw >>= argument->shift;
    unsigned int above = 64 - 8U * argument->width;
    raw <<= above;
    *value = argument->is_signed ? (uint64_t)((int64_t)raw >> above) : raw >> above;
    return true;
}

static char *put_float(char *to, uint64_t value, uint8_t size)
{
    double number = 0;
    float half = 0;
    if (size == sizeof(half)) {
        memcpy(&half, &value, sizeof(half));
        number = (double)half;
    } else {
        memcpy(&number, &value, sizeof(number));
    }
    return to + snprintf(to, FLOAT_ROOM, "%g", number);
}

static char *put_number(char *to, const struct watch_argument *argument, uint64_t value)
{
    if (argument->is_float)
        return put_float(to, value, argument->size);
    if (argument->is_signed)
        return line_put_signed(to, (int64_t)value);
    if (argument->size == 8 && value >= hex_from)
        return line_put_hex(to, value);
    return line_put_decimal(to, value);
}

/* ---- strings ---------------------------------------------------------------------------- */

/* Puts the string that ends within SIZE bytes of TEXT; its beginning where it is longer. */
static size_t quote_within(const char *text, size_t size, char *to)
{
    size_t length = strnlen(text, size);
    /* It goes on, and nobody knows how, where it is neither ended nor too long to be shown. */
    if (length == size && size <= WATCH_TEXT_MAX)
        return 0;
    return text_quote(text, length, WATCH_TEXT_MAX, to);
}

/* The string at ADDRESS: as it was at the firing, or else as it is now. */
static size_t put_string(const struct record_reader *reader, const struct watch_text *text,
                         uint64_t address, char *to)
{
    char now[WATCH_TEXT_READ];
    if (text->length > 0)
        return quote_within(text->bytes, WATCH_TEXT_READ - 1, to);
    ssize_t got = reader->mem < 0 ? -1 : pread(reader->mem, now, sizeof(now), (off_t)address);
    return got > 0 ? quote_within(now, (size_t)got, to) : 0;
}

static char *put_argument(const struct record_reader *reader, const struct watch_record *record,
                          size_t i, const struct watch_argument *argument,
                          const struct watch_text *texts, char *to)
{
    uint64_t value = 0;
    size_t length = 0;
    if (!argument->understood || !find_value(reader, record, i, argument, &value))
        return line_put_text(to, "?");
    if (argument->text && value >= ARCH_POINTER_LEAST && value <= ARCH_POINTER_MOST)
        length = put_string(reader, &texts[argument->text - 1], value, to);
    return length > 0 ? to + length : put_number(to, argument, value);
}

/* ---- lines ------------------------------------------------------------------------------ */

static uint8_t count_texts(const struct watch_format *format)
{
    uint8_t texts = 0;
    for (size_t i = 0; i < format->shown; i++)
        texts += format->arguments[i].text > 0;
    return texts;
}

size_t record_show(struct record_reader *reader, const struct watch_record *record,
                   const char *name, const struct watch_format *format, char *out)
{
    const struct kind *kind = &kinds[record_kind(format->shown, count_texts(format))];
    const struct watch_text *texts = (const struct watch_text *)(record->values + kind->values);
    char *to = line_put_time(out, &reader->clock, (int64_t)record->time + reader->clock_ahead);
    *to++ = ' ';
    to = line_put_decimal(to, record->tid);
    *to++ = ' ';
    to = line_put_text(to, name);
    for (size_t i = 0; i < format->count; i++) {
        *to++ = ' ';
        to = i < format->shown ? put_argument(reader, record, i, &format->arguments[i], texts, to)
                               : line_put_text(to, "?");
    }
    *to++ = '\n';
    return (size_t)(to - out);
}
