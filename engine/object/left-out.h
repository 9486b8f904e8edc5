/* SPDX-License-Identifier: MIT */
/*
 * What of an object's notes is left out, and why: how many for each reason, and one example.
 *
 * Linkers that drop a function, or a semaphore that nothing reads, keep its notes, with an address
 * of 0, 1 or an offset in a section that is gone. Such a note says nothing about the others.
 */
#ifndef ENGINE_LEFT_OUT_H
#define ENGINE_LEFT_OUT_H

#include "object/object.h"

enum left_out_reason {
    LEFT_OUT_REST,           /* a section of notes cannot be read, or not to its end */
    LEFT_OUT_CUT_SHORT,      /* the description ends too early */
    LEFT_OUT_NO_NAME,        /* the name is empty */
    LEFT_OUT_SITE,           /* the site is not in code */
    LEFT_OUT_PATCHED,        /* the site would be patched, as it never is on this processor */
    LEFT_OUT_NO_NOP,         /* the site is in code, but marks no place there */
    LEFT_OUT_SEMAPHORE,      /* the semaphore is not in writable data */
    LEFT_OUT_NO_SEMAPHORE,   /* there is none, and the format needs one */
    LEFT_OUT_TWO_SEMAPHORES, /* a name has several, and the format one for each */
    LEFT_OUT_WATCH_ONLY,     /* no fault: without a semaphore a probe cannot be switched */
    LEFT_OUT_REASONS,
};

struct left_out {
    size_t counts[LEFT_OUT_REASONS]; /* of notes; of names with two semaphores; of sections */
    char examples[LEFT_OUT_REASONS][128];
};

/* Counts one more. Is it the first, so that it is the example? */
bool left_out_count(struct left_out *left_out, enum left_out_reason reason);
/* Says what the example is: the probe shown as NAME, and more of it as printf() writes it. */
void left_out_example(struct left_out *left_out, enum left_out_reason reason, const char *name,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Leaves the sentences in OBJECT: its problems, and `watch_only`. Errors: ENOMEM. */
int left_out_tell(const struct left_out *left_out, struct object *object);

#endif
