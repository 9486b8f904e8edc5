/* SPDX-License-Identifier: MIT */
#include "server/budget.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* How it is said that there is no more: with the user, and the limit in this unit. */
static const struct {
    int status;
    size_t unit;
    const char *sentence;
} refusals[BUDGET_KINDS] = {
    [BUDGET_FILES] = {-EMFILE, 1,
                      "user %u has %zu files and directories of this mount open, which is all that "
                      "a user may have: close some"},
    [BUDGET_MEMORY] = {-ENOMEM, 1 << 20,
                       "what user %u has open takes %zu MiB of the server's memory, which is all "
                       "that a user may take: close some files and directories"},
};

struct budget_limits budget_default_limits(void)
{
    return (struct budget_limits){.most = {[BUDGET_FILES] = 16384, [BUDGET_MEMORY] = 64 << 20},
                                  .requests = 64};
}

int budgets_init(struct budgets *budgets, uid_t server)
{
    budgets->users = NULL;
    budgets->server = server;
    budgets->limits = budget_default_limits();
    return -pthread_mutex_init(&budgets->lock, NULL);
}

void budgets_done(struct budgets *budgets)
{
    struct user_budget *user = NULL;
    struct user_budget *next = NULL;
    HASH_ITER (hh, budgets->users, user, next) {
        HASH_DEL(budgets->users, user);
        free(user);
    }
    pthread_mutex_destroy(&budgets->lock);
}

bool budget_is_counted(const struct budgets *budgets, uid_t user)
{
    return user != 0 && user != budgets->server;
}

/* All below but the last are called with the lock held. */

static struct user_budget *find_user(struct budgets *budgets, uid_t uid)
{
    struct user_budget *user = NULL;
    HASH_FIND(hh, budgets->users, &uid, sizeof(uid), user);
    return user;
}

static struct user_budget *add_user(struct budgets *budgets, uid_t uid)
{
    struct user_budget *user = calloc(1, sizeof(*user));
    if (!user)
        return NULL;
    user->user = uid;
    HASH_ADD(hh, budgets->users, user, sizeof(user->user), user);
    if (user->hh.tbl)
        return user;
    free(user);
    return NULL;
}

static int take(struct budgets *budgets, uid_t uid, enum budget_kind kind, size_t amount)
{
    struct user_budget *user = find_user(budgets, uid);
    if (!user && !(user = add_user(budgets, uid)))
        return -ENOMEM;
    size_t most = budgets->limits.most[kind];
    if (amount > most || user->used[kind] > most - amount)
        return -EDQUOT;
    user->used[kind] += amount;
    return 0;
}

static void give(struct budgets *budgets, uid_t uid, enum budget_kind kind, size_t amount)
{
    struct user_budget *user = find_user(budgets, uid);
    if (!user)
        return;
    user->used[kind] -= amount;
    for (unsigned int i = 0; i < BUDGET_KINDS; i++) {
        if (user->used[i] > 0)
            return;
    }
    HASH_DEL(budgets->users, user);
    free(user);
}

/* ---- for others ------------------------------------------------------------------------- */

int budget_take(struct budgets *budgets, uid_t user, enum budget_kind kind, size_t amount,
                struct probe_error *error)
{
    if (!budget_is_counted(budgets, user) || amount == 0)
        return 0;
    pthread_mutex_lock(&budgets->lock);
    int status = take(budgets, user, kind, amount);
    pthread_mutex_unlock(&budgets->lock);
    if (status != -EDQUOT)
        return status;
    snprintf(error->text, sizeof(error->text), refusals[kind].sentence, user,
             budgets->limits.most[kind] / refusals[kind].unit);
    return refusals[kind].status;
}

void budget_give(struct budgets *budgets, uid_t user, enum budget_kind kind, size_t amount)
{
    if (!budget_is_counted(budgets, user) || amount == 0)
        return;
    pthread_mutex_lock(&budgets->lock);
    give(budgets, user, kind, amount);
    pthread_mutex_unlock(&budgets->lock);
}

size_t budget_used(struct budgets *budgets, uid_t user, enum budget_kind kind)
{
    pthread_mutex_lock(&budgets->lock);
    const struct user_budget *found = find_user(budgets, user);
    size_t used = found ? found->used[kind] : 0;
    pthread_mutex_unlock(&budgets->lock);
    return used;
}
