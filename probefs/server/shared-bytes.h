/* SPDX-License-Identifier: MIT */
/*
 * Bytes that never change, kept once for all who need the same: the names of a directory, an
 * error_log as it was read, what a hold is saved as. They count for the budget of who brought them.
 */
#ifndef PROBEFS_SHARED_BYTES_H
#define PROBEFS_SHARED_BYTES_H

#include "server/budget.h"

struct shared_bytes {
    char *bytes;
    size_t length;
    /* Guarded by the lock of the budgets: */
    uid_t user;
    unsigned int users;
    struct shared_bytes **latest;
};

/*
 * Takes BYTES, which were allocated, for USER. If they are those that LATEST knows, these are
 * shared; LATEST, which must live as long as they, knows the result from now on. Errors: ENOMEM,
 * with a sentence where it is the budget; BYTES are freed all the same.
 */
int shared_bytes_get(struct budgets *budgets, uid_t user, char *bytes, size_t length,
                     struct shared_bytes **latest, struct shared_bytes **result,
                     struct probe_error *error);
/* Ends a use; NULL is none. */
void shared_bytes_put(struct budgets *budgets, struct shared_bytes *shared);

#endif
