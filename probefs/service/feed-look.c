/* SPDX-License-Identifier: MIT */
/* Watches what is loaded later, and frees feeds that are over. */
#include "service/feed-list.h"

#include "service/access.h"
#include "service/answers.h"
#include "shared/clock.h"

#include <errno.h>
#include <utlist.h>

/* Between two looks: what is loaded is to join within a second. */
#define LOOK_AGAIN (CLOCK_SECOND / 2)

/* Called with the locks of the feed and its target held. */
static void look_into(struct service *service, struct feed *feed)
{
    struct probe_target *target = feed->target->target;
    struct probe_error unused;
    if (access_again(service->engine, feed->target, &feed->image) == 0 &&
        probe_target_look(target, &unused) == 0 &&
        (probe_target_generation(target) != feed->generation || probe_watch_lacks(feed->watch)))
        feed_watch(feed, 0, &unused);
    access_end(feed->target);
}

static void look(struct service *service, struct feed *feed)
{
    pthread_mutex_t *of_target = &feed->target->lock;
    /* Requests may have it for long. */
    if (pthread_mutex_trylock(of_target) != 0)
        return;
    pthread_mutex_lock(&feed->lock);
    if (feed->is_settled && feed->watch)
        look_into(service, feed);
    pthread_mutex_unlock(&feed->lock);
    pthread_mutex_unlock(of_target);
}

/* All below are called with the list's lock held. */

static void free_dead(struct feeds *feeds)
{
    while (feeds->dead) {
        struct feed *feed = feeds->dead;
        pthread_mutex_unlock(&feeds->lock);
        probe_watch_free(feed->watch);
        feed->watch = NULL;
        pthread_mutex_lock(&feeds->lock);
        DL_DELETE(feeds->dead, feed);
        pthread_mutex_unlock(&feeds->lock);
        feed_free(feeds, feed);
        pthread_mutex_lock(&feeds->lock);
    }
}

static void look_at_all(struct feeds *feeds)
{
    struct feed *feed = feeds->list;
    while (feed) {
        feed->users++;
        pthread_mutex_unlock(&feeds->lock);
        look(feeds->service, feed);
        pthread_mutex_lock(&feeds->lock);
        feed->users--;
        feed = feed->next;
    }
}

void *feed_look(void *data)
{
    struct feeds *feeds = data;
    struct timespec next = clock_after(LOOK_AGAIN);
    pthread_mutex_lock(&feeds->lock);
    for (;;) {
        free_dead(feeds);
        if (clock_is_past(&next)) {
            look_at_all(feeds);
            next = clock_after(LOOK_AGAIN);
        }
        if (feeds->dead)
            continue;
        if (feeds->list)
            pthread_cond_timedwait(&feeds->looked, &feeds->lock, &next);
        else
            pthread_cond_wait(&feeds->looked, &feeds->lock);
    }
    return NULL;
}
