/* SPDX-License-Identifier: MIT */
/*
 * The kinds of probes, by the provider that a note names: one row a kind. A new kind of probe is a
 * new row here.
 */
#ifndef ENGINE_FORMAT_H
#define ENGINE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

struct format {
    const char *provider;  /* NULL: any other */
    uint8_t counter_shift; /* the counter is at the note's semaphore + this */
    bool named_layout;     /* a symbol caml_probes_semaphore_NAME there means the later layout */
    bool one_semaphore;    /* one semaphore for each name and object */
    bool needs_semaphore;  /* a note without one contradicts the format; else it is not shown */
    bool needs_site;       /* a site of 0 contradicts the format; else it means: no site */
    bool patched;          /* sites are switched by their opcode */
    bool prefixed;         /* shown as PROVIDER:NAME */
};

/* The row for PROVIDER; never NULL. */
const struct format *format_find(const char *provider);

/* The counter's distance from the semaphore in the later layout of named_layout formats. */
enum { FORMAT_NAMED_SHIFT = 2 };

/* The symbol of a semaphore in that layout is this followed by the probe's name. */
#define FORMAT_NAMED_SYMBOL "caml_probes_semaphore_"

#endif
