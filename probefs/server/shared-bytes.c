/* SPDX-License-Identifier: MIT */
#include "server/shared-bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t memory_of(size_t length)
{
    return sizeof(struct shared_bytes) + length;
}

/* One more use of what LATEST knows, if it is the same. */
static struct shared_bytes *use_latest(struct budgets *budgets, const char *bytes, size_t length,
                                       struct shared_bytes **latest)
{
    pthread_mutex_lock(&budgets->lock);
    struct shared_bytes *shared = *latest;
    if (shared && shared->length == length &&
        (length == 0 || memcmp(shared->bytes, bytes, length) == 0))
        shared->users++;
    else
        shared = NULL;
    pthread_mutex_unlock(&budgets->lock);
    return shared;
}

static int add_latest(struct budgets *budgets, uid_t user, char *bytes, size_t length,
                      struct shared_bytes **latest, struct shared_bytes **result,
                      struct probe_error *error)
{
    struct shared_bytes *shared = NULL;
    int status = budget_take(budgets, user, BUDGET_MEMORY, memory_of(length), error);
    if (status < 0)
        return status;
    shared = malloc(sizeof(*shared));
    if (!shared) {
        budget_give(budgets, user, BUDGET_MEMORY, memory_of(length));
        return -ENOMEM;
    }
    *shared = (struct shared_bytes){bytes, length, user, 1, latest};
    pthread_mutex_lock(&budgets->lock);
    *latest = shared;
    pthread_mutex_unlock(&budgets->lock);
    *result = shared;
    return 0;
}

int shared_bytes_get(struct budgets *budgets, uid_t user, char *bytes, size_t length,
                     struct shared_bytes **latest, struct shared_bytes **result,
                     struct probe_error *error)
{
    struct shared_bytes *shared = use_latest(budgets, bytes, length, latest);
    int status = 0;
    if (shared)
        *result = shared;
    else
        status = add_latest(budgets, user, bytes, length, latest, result, error);
    if (shared || status < 0)
        free(bytes);
    return status;
}

void shared_bytes_put(struct budgets *budgets, struct shared_bytes *shared)
{
    if (!shared)
        return;
    pthread_mutex_lock(&budgets->lock);
    bool is_last = --shared->users == 0;
    if (is_last && *shared->latest == shared)
        *shared->latest = NULL;
    pthread_mutex_unlock(&budgets->lock);
    if (!is_last)
        return;
    budget_give(budgets, shared->user, BUDGET_MEMORY, memory_of(shared->length));
    free(shared->bytes);
    free(shared);
}
