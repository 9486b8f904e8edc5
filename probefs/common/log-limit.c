/* SPDX-License-Identifier: MIT */
#include "common/log-limit.h"

#include "shared/clock.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include <uthash.h>

enum { MINUTE = 60, LINE_SIZE = 1024 };

/* More users and reasons than these are as good as one. */
enum { KINDS_MAX = 4096 };

struct line_key {
    uid_t user;
    const struct log_reason *reason;
};

struct line_kind {
    struct line_key key;
    time_t until; /* the end of its minute */
    unsigned int told, left_out;
    UT_hash_handle hh;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct line_kind *kinds; /* guarded by lock */

/* Those whose minute is over, and that have nothing to tell, make room. */
static void forget_old_kinds(time_t now)
{
    struct line_kind *kind = NULL;
    struct line_kind *next = NULL;
    HASH_ITER (hh, kinds, kind, next) {
        if (kind->until > now)
            continue;
        HASH_DEL(kinds, kind);
        free(kind);
    }
}

static struct line_kind *find_kind(const struct line_key *key, time_t now)
{
    struct line_kind *kind = NULL;
    HASH_FIND(hh, kinds, key, sizeof(*key), kind);
    if (kind)
        return kind;
    if (HASH_COUNT(kinds) >= KINDS_MAX)
        forget_old_kinds(now);
    if (HASH_COUNT(kinds) >= KINDS_MAX || !(kind = calloc(1, sizeof(*kind))))
        return NULL;
    kind->key = *key;
    HASH_ADD(hh, kinds, key, sizeof(kind->key), kind);
    if (kind->hh.tbl)
        return kind;
    free(kind);
    return NULL;
}

/* May a line of that kind be logged now? Then it says how many were LEFT_OUT before. */
static bool is_allowed(const struct line_key *key, unsigned int *left_out)
{
    time_t now = clock_coarse_seconds();
    bool allowed = false;
    pthread_mutex_lock(&lock);
    struct line_kind *kind = find_kind(key, now);
    if (kind && kind->until <= now) {
        *left_out = kind->left_out;
        kind->until = now + MINUTE;
        kind->told = kind->left_out = 0;
    }
    if (kind) {
        allowed = kind->told < key->reason->most;
        kind->told += allowed;
        kind->left_out += !allowed;
    }
    pthread_mutex_unlock(&lock);
    return allowed;
}

void log_limited(uid_t user, const struct log_reason *reason, enum probe_log_level level,
                 const char *format, ...)
{
    char text[LINE_SIZE];
    unsigned int left_out = 0;
    struct line_key key;
    va_list args;
    memset(&key, 0, sizeof(key)); /* padding is hashed, too */
    key.user = user;
    key.reason = reason;
    if (!log_is_told(level) || !is_allowed(&key, &left_out))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (left_out > 0)
        log_message(level, "%s (and %u lines like it were left out)", text, left_out);
    else
        log_message(level, "%s", text);
}
