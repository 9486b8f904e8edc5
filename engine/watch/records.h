/* SPDX-License-Identifier: MIT */
/* From the record of a firing to its line. */
#ifndef ENGINE_WATCH_RECORDS_H
#define ENGINE_WATCH_RECORDS_H

#include "watch/arguments.h"
#include "watch/line.h"
#include "watch/record.h"

/* The longest line: a time, a thread, a name and as many arguments as a format can count. */
enum { RECORD_LINE_MAX = 4096 };

/* What lines are made with. */
struct record_reader {
    int mem;             /* the process's memory, for what could not be read at the firing; or -1 */
    int64_t clock_ahead; /* CLOCK_REALTIME is that many ns ahead of CLOCK_MONOTONIC */
    struct line_clock clock;
};

/* Which of WATCH_KINDS, from 0, a recipe of COUNT arguments and TEXTS makes. */
unsigned int record_kind(uint8_t count, uint8_t texts);
/* The bytes of such a record. */
size_t record_size(uint8_t count, uint8_t texts);

/*
 * Writes the line of RECORD, which came from a site of the probe NAME, to OUT of RECORD_LINE_MAX,
 * with its newline and no NUL. Returns its length.
 */
size_t record_show(struct record_reader *reader, const struct watch_record *record,
                   const char *name, const struct watch_format *format, char *out);

#endif
