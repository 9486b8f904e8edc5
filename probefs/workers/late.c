/* SPDX-License-Identifier: MIT */
#include "workers/late.h"

#include "shared/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

enum { EVENTS_AT_ONCE = 64 };

struct late_calls {
    pthread_mutex_t lock;
    pthread_t thread;
    int wake;               /* an eventfd: a call came, or the end */
    int events;             /* an epoll: of `wake`, and of each call's channel */
    struct late_call *open; /* guarded by lock */
    bool ending;            /* likewise */
};

/* Takes it off the list, for this thread to finish: so nobody finishes it twice. */
static void late_call_finish(struct late_calls *late_calls, struct late_call *late_call, int status)
{
    epoll_ctl(late_calls->events, EPOLL_CTL_DEL, late_call->channel, NULL);
    pthread_mutex_lock(&late_calls->lock);
    DL_DELETE(late_calls->open, late_call);
    pthread_mutex_unlock(&late_calls->lock);
    late_call->done(late_call, status);
}

static void late_call_receive(struct late_calls *late_calls, struct late_call *late_call)
{
    int status = channel_receive_some(late_call->channel, late_call->call, &late_call->answer);
    if (status != 0)
        late_call_finish(late_calls, late_call, status > 0 ? 0 : status);
}

/* The one that ends first, or NULL. Deadlines need not be in the order of the list. */
static struct late_call *find_first(struct late_calls *late_calls)
{
    struct late_call *first = NULL;
    struct late_call *late_call = NULL;
    pthread_mutex_lock(&late_calls->lock);
    DL_FOREACH(late_calls->open, late_call)
    {
        if (!first || clock_between(&late_call->deadline, &first->deadline) > 0)
            first = late_call;
    }
    pthread_mutex_unlock(&late_calls->lock);
    return first;
}

static bool is_ending(struct late_calls *late_calls)
{
    pthread_mutex_lock(&late_calls->lock);
    bool ending = late_calls->ending;
    pthread_mutex_unlock(&late_calls->lock);
    return ending;
}

static void *receive_late_calls(void *data)
{
    struct late_calls *late_calls = data;
    struct epoll_event events[EVENTS_AT_ONCE];
    eventfd_t unused;
    while (!is_ending(late_calls)) {
        struct late_call *first = find_first(late_calls);
        int timeout = clock_poll_timeout(first ? &first->deadline : NULL);
        int count = epoll_wait(late_calls->events, events, EVENTS_AT_ONCE, timeout);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == late_calls)
                eventfd_read(late_calls->wake, &unused);
            else
                late_call_receive(late_calls, events[i].data.ptr);
        }
        while ((first = find_first(late_calls)) && clock_is_past(&first->deadline))
            late_call_finish(late_calls, first, -ETIMEDOUT);
    }
    while (late_calls->open)
        late_call_finish(late_calls, late_calls->open, -EPIPE);
    return NULL;
}

static void late_calls_done(struct late_calls *late_calls)
{
    if (late_calls->events >= 0)
        close(late_calls->events);
    if (late_calls->wake >= 0)
        close(late_calls->wake);
    pthread_mutex_destroy(&late_calls->lock);
    free(late_calls);
}

int late_calls_new(struct late_calls **result)
{
    struct late_calls *late_calls = calloc(1, sizeof(*late_calls));
    if (!late_calls)
        return -ENOMEM;
    pthread_mutex_init(&late_calls->lock, NULL);
    late_calls->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    late_calls->events = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = late_calls};
    int status = late_calls->wake < 0 || late_calls->events < 0 ||
                         epoll_ctl(late_calls->events, EPOLL_CTL_ADD, late_calls->wake, &event) < 0
                     ? -errno
                     : -pthread_create(&late_calls->thread, NULL, receive_late_calls, late_calls);
    if (status < 0)
        late_calls_done(late_calls);
    else
        *result = late_calls;
    return status;
}

void late_calls_free(struct late_calls *late_calls)
{
    if (!late_calls)
        return;
    pthread_mutex_lock(&late_calls->lock);
    late_calls->ending = true;
    pthread_mutex_unlock(&late_calls->lock);
    eventfd_write(late_calls->wake, 1);
    pthread_join(late_calls->thread, NULL);
    late_calls_done(late_calls);
}

int late_calls_add(struct late_calls *late_calls, struct late_call *late_call)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = late_call};
    pthread_mutex_lock(&late_calls->lock);
    DL_APPEND(late_calls->open, late_call);
    int status =
        epoll_ctl(late_calls->events, EPOLL_CTL_ADD, late_call->channel, &event) < 0 ? -errno : 0;
    if (status < 0)
        DL_DELETE(late_calls->open, late_call);
    pthread_mutex_unlock(&late_calls->lock);
    if (status == 0)
        eventfd_write(late_calls->wake, 1); /* it may be the one that ends first */
    return status;
}
