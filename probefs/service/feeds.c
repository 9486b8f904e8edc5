/* SPDX-License-Identifier: MIT */
#include "service/feed-list.h"

#include "nodes/chosen.h"
#include "service/access.h"
#include "service/answers.h"
#include "shared/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

/* How long an attacher may take to answer: others may be before us. */
enum { ANSWER_SECONDS = 30 };

enum { STACK_SIZE = 1 << 20 };

int feeds_new(struct service *service, struct feeds **result)
{
    struct feeds *feeds = calloc(1, sizeof(*feeds));
    if (!feeds)
        return -ENOMEM;
    feeds->service = service;
    feeds->events = epoll_create1(EPOLL_CLOEXEC);
    if (feeds->events < 0) {
        free(feeds);
        return -errno;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&feeds->looked, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&feeds->lock, NULL);
    *result = feeds;
    return 0;
}

void feeds_free(struct feeds *feeds)
{
    if (!feeds)
        return;
    close(feeds->events);
    pthread_cond_destroy(&feeds->looked);
    pthread_mutex_destroy(&feeds->lock);
    free(feeds);
}

void feed_free(struct feeds *feeds, struct feed *feed)
{
    probe_watch_free(feed->watch);
    if (feed->attacher >= 0)
        close(feed->attacher);
    if (feed->socket >= 0)
        close(feed->socket);
    if (feed->target)
        service_targets_put(&feeds->service->targets, feed->target, true);
    probe_image_done(&feed->image);
    pthread_mutex_destroy(&feed->lock);
    free(feed->packet);
    free(feed->probe);
    free(feed->names);
    free(feed);
}

/* ---- beginning -------------------------------------------------------------------------- */

static int start_thread(void *(*run)(void *data), struct feeds *feeds)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int status = -pthread_create(&thread, &attributes, run, feeds);
    pthread_attr_destroy(&attributes);
    return status;
}

/* Called with the lock held. */
static int start_threads(struct feeds *feeds)
{
    if (feeds->is_started)
        return 0;
    int status = start_thread(feed_look, feeds);
    if (status == 0)
        status = start_thread(feed_pump, feeds);
    feeds->is_started = status == 0;
    return status;
}

/* From here on the threads have STREAM. */
static int list_feed(struct feeds *feeds, struct feed *feed)
{
    struct epoll_event hangup = {.events = EPOLLRDHUP | EPOLLOUT | EPOLLET, .data.ptr = feed};
    struct epoll_event answer = {.events = EPOLLIN | EPOLLET};
    pthread_mutex_lock(&feeds->lock);
    int status = start_threads(feeds);
    if (status == 0 && (epoll_ctl(feeds->events, EPOLL_CTL_ADD, feed->attacher, &answer) < 0 ||
                        epoll_ctl(feeds->events, EPOLL_CTL_ADD, feed->socket, &hangup) < 0))
        status = -errno;
    if (status == 0) {
        DL_APPEND(feeds->list, feed);
        pthread_cond_signal(&feeds->looked);
    }
    pthread_mutex_unlock(&feeds->lock);
    return status;
}

static int copy_text(const char *text, size_t length, char **copy)
{
    if (length == 0)
        return 0;
    *copy = strndup(text, length);
    return *copy ? 0 : -ENOMEM;
}

/* A feed of what CALL is about; the descriptors that are given are the feed's. */
static int feed_new(struct call *call, struct feed **result)
{
    const struct request *request = &call->request;
    struct feed *feed = calloc(1, sizeof(*feed));
    if (!feed)
        return -ENOMEM;
    feed->image = PROBE_IMAGE_NONE;
    feed->reader = request->reader;
    feed->attacher = call->given[GIVEN_ATTACHER];
    feed->socket = call->given[GIVEN_STREAM];
    call->given[GIVEN_ATTACHER] = call->given[GIVEN_STREAM] = -1;
    feed->deadline = clock_after(ANSWER_SECONDS * CLOCK_SECOND);
    pthread_mutex_init(&feed->lock, NULL);
    *result = feed;
    int status = copy_text(request->probe, strlen(request->probe), &feed->probe);
    if (status == 0)
        status = copy_text(call->in, call->in_length, &feed->names);
    feed->names_length = feed->names ? strlen(feed->names) : 0;
    return status;
}

/* The probes that STREAM is about, as they are now. */
static int find_probes(const struct feed *feed, size_t **indices, size_t *count)
{
    const struct probe_target *target = feed->target->target;
    if (!feed->probe)
        return chosen_find(target, feed->names, feed->names_length, indices, count);
    ssize_t index = probe_target_find(target, feed->probe);
    *count = index < 0 ? 0 : 1;
    *indices = calloc(1, sizeof(**indices));
    if (!*indices)
        return -ENOMEM;
    (*indices)[0] = index < 0 ? 0 : (size_t)index;
    return 0;
}

struct watch_attempt {
    struct feed *feed;
    size_t room;
};

/* A probe_attempt. */
static int try_watch(void *data, struct probe_error *error)
{
    const struct watch_attempt *attempt = data;
    struct feed *feed = attempt->feed;
    struct probe_target *target = feed->target->target;
    const struct probe_watch_options options = {
        .room = attempt->room, .attacher = feed->attacher, .leaves_out = true};
    size_t *indices = NULL;
    size_t count = 0;
    int status = find_probes(feed, &indices, &count);
    if (status < 0)
        return status;
    if (!feed->watch) {
        status = probe_watch_new(target, indices, count, &options, &feed->watch, error);
    } else {
        ssize_t added = probe_watch_add(feed->watch, target, indices, count, error);
        status = added < 0 ? (int)added : 0;
    }
    if (status == 0)
        feed->generation = probe_target_generation(target);
    free(indices);
    return status;
}

int feed_watch(struct feed *feed, size_t room, struct probe_error *error)
{
    struct watch_attempt attempt = {feed, room};
    return probe_target_settle(feed->target->target, try_watch, &attempt, error);
}

/* Called with the target's lock held. */
static int begin(struct service *service, struct feed *feed, struct call *call)
{
    struct service_target *target = feed->target;
    bool is_lent = call->image.pid != 0;
    int status = access_resume(service->engine, target, call);
    if (status == 0)
        status = feed_watch(feed, call->request.size, &call->reply.sentence);
    if (status == 0 && is_lent)
        status = probe_target_copy_image(target->target, &feed->image);
    access_end(target);
    return status;
}

int answer_stream(struct service *service, struct call *call)
{
    struct feed *feed = NULL;
    if (call->given[GIVEN_ATTACHER] < 0 || call->given[GIVEN_STREAM] < 0 ||
        call->request.access < PROBE_WRITE)
        return -EINVAL;
    int status = feed_new(call, &feed);
    if (status == 0)
        status = service_targets_lock(&service->targets, call, &feed->target);
    if (status == 0) {
        status = begin(service, feed, call);
        service_target_note_end(feed->target, status);
        pthread_mutex_unlock(&feed->target->lock);
    }
    if (status == 0)
        status = list_feed(service->feeds, feed);
    if (status < 0 && feed)
        feed_free(service->feeds, feed);
    return status;
}
