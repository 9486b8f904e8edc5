/* SPDX-License-Identifier: MIT */
/*
 * Looks at many processes at the same time, for a caller that waits no longer than it wants to.
 *
 * Some threads look, one process each. To look at one may take without end: whoever prepared its
 * files or its memory may want that. Such a thread is left to it, others go on behind it, and its
 * process has no answer until it comes back. What takes long but ends is remembered by the engine,
 * so a later scan has the answer.
 */
#ifndef PROBEFS_SCANNER_H
#define PROBEFS_SCANNER_H

#include "service/protocol.h"

struct scanner;

/* What a request says of the listing that it belongs to. */
struct scan_listing {
    uint64_t number, size; /* 0: it belongs to none */
};

/* Errors: ENOMEM. */
int scanner_new(struct probe_engine *engine, struct scanner **scanner);
/* Waits for all threads. NULL is fine. */
void scanner_free(struct scanner *scanner);

/*
 * Answers for the processes of COUNT entries, as they are now, within WAIT nanoseconds; those that
 * there is no answer for by then are SCAN_UNKNOWN. At the end of LISTING, what is remembered of
 * processes that it did not ask for is forgotten. For any number of threads. Errors: ENOMEM.
 */
int scanner_scan(struct scanner *scanner, struct scan_entry *entries, size_t count, int64_t wait,
                 const struct scan_listing *listing);

#endif
