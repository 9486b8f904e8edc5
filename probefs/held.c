/* SPDX-License-Identifier: MIT */
#include "held.h"

void held_init(struct held *held)
{
    *held = (struct held){0};
    pthread_mutex_init(&held->lock, NULL);
    pthread_mutex_init(&held->release_lock, NULL);
    pthread_cond_init(&held->released, NULL);
}

void held_done(struct held *held)
{
    pthread_mutex_destroy(&held->lock);
    pthread_mutex_destroy(&held->release_lock);
    pthread_cond_destroy(&held->released);
}

void held_expect_release(struct held *held)
{
    pthread_mutex_lock(&held->release_lock);
    held->releasing++;
    pthread_mutex_unlock(&held->release_lock);
}

void held_end_release(struct held *held)
{
    pthread_mutex_lock(&held->release_lock);
    if (--held->releasing == 0)
        pthread_cond_broadcast(&held->released);
    pthread_mutex_unlock(&held->release_lock);
}

void held_wait(struct held *held)
{
    pthread_mutex_lock(&held->release_lock);
    while (held->releasing > 0)
        pthread_cond_wait(&held->released, &held->release_lock);
    pthread_mutex_unlock(&held->release_lock);
}
