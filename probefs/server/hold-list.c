/* SPDX-License-Identifier: MIT */
#include "server/hold-list.h"

#include "server/shared-bytes.h"
#include "shared/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

/* How long others wait. (A release that is not answered takes two calls, of a second each.) */
#define WAIT (2 * CLOCK_SECOND)

void hold_list_init(struct hold_list *held)
{
    *held = (struct hold_list){.wait = WAIT};
    pthread_mutex_init(&held->lock, NULL);
    pthread_mutex_init(&held->release_lock, NULL);
    pthread_cond_init(&held->released, NULL);
}

void hold_list_done(struct hold_list *held)
{
    pthread_mutex_destroy(&held->lock);
    pthread_mutex_destroy(&held->release_lock);
    pthread_cond_destroy(&held->released);
}

void hold_list_add(struct hold_list *held, struct hold_entry *file)
{
    DL_APPEND(held->files, file);
    atomic_fetch_add(&held->count, 1);
    held->is_stuck = false;
}

void hold_list_remove(struct hold_list *held, struct hold_entry *file)
{
    DL_DELETE(held->files, file);
    atomic_fetch_sub(&held->count, 1);
}

void hold_list_end_claim(struct budgets *budgets, struct hold_entry *file)
{
    shared_bytes_put(budgets, file->saved);
    file->saved = NULL;
}

void hold_list_expect_release(struct hold_list *held)
{
    pthread_mutex_lock(&held->release_lock);
    if (held->releasing++ == 0)
        held->hangs = false;
    pthread_mutex_unlock(&held->release_lock);
}

void hold_list_end_release(struct hold_list *held, int status)
{
    pthread_mutex_lock(&held->release_lock);
    held->releasing--;
    held->hangs = status == -ETIMEDOUT;
    if (held->releasing == 0 || held->hangs)
        pthread_cond_broadcast(&held->released);
    pthread_mutex_unlock(&held->release_lock);
}

/* Called with release_lock held. */
static int wait_for_releases(struct hold_list *held)
{
    int status = 0;
    const struct timespec end = clock_after(held->wait);
    while (held->releasing > 0 && status == 0)
        status = held->hangs ? ETIMEDOUT
                             : pthread_cond_clockwait(&held->released, &held->release_lock,
                                                      CLOCK_MONOTONIC, &end);
    return held->releasing > 0 ? -ETIMEDOUT : 0;
}

int hold_list_wait(struct hold_list *held)
{
    pthread_mutex_lock(&held->release_lock);
    int status = held->releasing > 0 ? wait_for_releases(held) : 0;
    pthread_mutex_unlock(&held->release_lock);
    return status;
}

int hold_list_lock(struct hold_list *held)
{
    if (pthread_mutex_trylock(&held->lock) == 0)
        return 0;
    const struct timespec end = clock_after(held->wait);
    return -pthread_mutex_clocklock(&held->lock, CLOCK_MONOTONIC, &end);
}
