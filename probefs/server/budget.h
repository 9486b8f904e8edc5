/* SPDX-License-Identifier: MIT */
/*
 * What the server keeps for each user, and how much of it may be. Beyond that the user is refused,
 * and nobody else is. Root and the server's own user are not counted.
 */
#ifndef PROBEFS_BUDGET_H
#define PROBEFS_BUDGET_H

#include <probe-engine.h>
#include <pthread.h>
#include <sys/types.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include <uthash.h>

enum budget_kind {
    BUDGET_FILES,  /* open files and directories */
    BUDGET_MEMORY, /* bytes that stay when a request is over */
    BUDGET_KINDS,
};

/* What each user may have. */
struct budget_limits {
    size_t most[BUDGET_KINDS];
    unsigned int requests; /* that are served at the same time: see loop.c */
};

/* What -o user_requests= may say at most: others are to find threads, too. */
enum { BUDGET_REQUESTS_MAX = 256 };

/* 16,384 files, 64 MiB, 64 requests. */
struct budget_limits budget_default_limits(void);

struct user_budget {
    uid_t user;
    size_t used[BUDGET_KINDS];
    UT_hash_handle hh;
};

struct budgets {
    pthread_mutex_t lock; /* guards what follows, and who uses shared bytes: see shared-bytes.h */
    struct user_budget *users;
    uid_t server;                /* the server's own user */
    struct budget_limits limits; /* set at the start */
};

/* With the default limits. */
int budgets_init(struct budgets *budgets, uid_t server);
void budgets_done(struct budgets *budgets);

/* Is there an end to what USER may have? */
bool budget_is_counted(const struct budgets *budgets, uid_t user);

/*
 * USER needs so much more. Errors, with a sentence: EMFILE, ENOMEM the budget is used up; ENOMEM
 * there is no memory to count in.
 */
int budget_take(struct budgets *budgets, uid_t user, enum budget_kind kind, size_t amount,
                struct probe_error *error);
void budget_give(struct budgets *budgets, uid_t user, enum budget_kind kind, size_t amount);

/* How much USER uses. */
size_t budget_used(struct budgets *budgets, uid_t user, enum budget_kind kind);

#endif
