/* SPDX-License-Identifier: MIT */
/*
 * A format is what a note's provider says about the note: whether its site is switched by its
 * opcode, where its counter is, and what it cannot do without. One row is one format; a new kind of
 * probe is a new row.
 */
#ifndef ENGINE_FORMAT_H
#define ENGINE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

struct format {
    const char *provider;  /* NULL: any other */
    uint8_t counter_shift; /* from the note's semaphore to the counter */
    bool named_layout;     /* a symbol caml_probes_semaphore_NAME there means the later layout */
    bool one_semaphore;    /* all notes of one name and object have the same semaphore */
    bool needs_semaphore;  /* a note without one is left out; else the probe cannot be switched */
    bool needs_site;       /* a note with a site of 0 is left out; else it has no site */
    bool patched;          /* sites are switched by their opcode */
    bool prefixed;         /* shown as PROVIDER:NAME */
};

/* The row for PROVIDER; never NULL. */
const struct format *format_find(const char *provider);

/* From the semaphore to the counter in the later layout of formats with `named_layout`. */
enum { FORMAT_NAMED_SHIFT = 2 };

/* In that layout the symbol of a semaphore is this, followed by the probe's name. */
#define FORMAT_NAMED_SYMBOL "caml_probes_semaphore_"

#endif
