/* SPDX-License-Identifier: MIT */
/* From rings to sockets: lines of all feeds of this worker. */
#include "service/feed-list.h"

#include "common/log.h"
#include "service/stream-packet.h"
#include "shared/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utlist.h>

enum {
    IDLE_FIRST_MS = 1, /* until the next look into the rings where there was something, */
    IDLE_LAST_MS = 8,  /* and at most */
    PACKETS_AT_ONCE = 16,
    EVENTS_AT_ONCE = 64,
};

/* ---- sending ---------------------------------------------------------------------------- */

/*
 * Sends a packet of KIND and LENGTH bytes. What the socket has no room for is kept, and sent when
 * it has. Returns whether it was sent.
 */
static bool send_packet(struct feed *feed, char kind, const void *bytes, size_t length)
{
    struct iovec parts[] = {{&kind, sizeof(kind)}, {(void *)(uintptr_t)bytes, length}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (sendmsg(feed->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS && errno != ENOMEM) {
        feed->has_hangup = true;
        return false;
    }
    feed->packet = malloc(sizeof(kind) + length);
    if (!feed->packet) { /* lines are lost that nobody would count */
        feed->has_hangup = true;
        return false;
    }
    feed->packet[0] = kind;
    memcpy(feed->packet + sizeof(kind), bytes, length);
    feed->packet_length = sizeof(kind) + length;
    return false;
}

/* Sends what was kept. Returns whether nothing is kept any more. */
static bool send_kept(struct feed *feed)
{
    if (!feed->packet)
        return true;
    ssize_t sent =
        send(feed->socket, feed->packet, feed->packet_length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
        return false;
    if (sent < 0)
        feed->has_hangup = true;
    free(feed->packet);
    feed->packet = NULL;
    return true;
}

static void end_feed(struct feed *feed, int status, const struct probe_error *error)
{
    struct stream_end end = {.error = -status};
    if (error)
        end.sentence = *error;
    feed->has_ended = true;
    send_packet(feed, STREAM_ENDS, &end, sizeof(end));
}

/* ---- one feed ------------------------------------------------------------------------- */

/* Takes what the attacher answers. Returns whether lines may come. */
static bool settle(struct feed *feed)
{
    struct probe_error error = {.text = ""};
    int status = probe_watch_settle(feed->watch, 0, &error);
    if (status == -EINPROGRESS && !feed->is_settled && clock_is_past(&feed->deadline)) {
        snprintf(error.text, sizeof(error.text),
                 "process %d: what attaches to probes does not answer: the kernel does not finish "
                 "attaching to another process's, or too many are asked for",
                 feed->target->pid);
        status = -ETIMEDOUT;
    }
    if (status == -EINPROGRESS)
        return feed->is_settled;
    if (status < 0 && !feed->is_settled)
        end_feed(feed, status, &error);
    else if (status < 0)
        log_message(PROBE_LOG_WARNING, "what was loaded later is not watched: %s", error.text);
    feed->is_settled = true;
    return !feed->has_ended;
}

/* Moves lines. Returns whether there were any. */
static bool move_lines(struct feed *feed)
{
    static char lines[STREAM_PACKET_MAX - 1]; /* there is one pump */
    bool any = false;
    for (int i = 0; i < PACKETS_AT_ONCE; i++) {
        ssize_t got = probe_watch_read(feed->watch, lines, sizeof(lines));
        if (got == 0)
            break;
        any = true;
        if (got < 0) {
            end_feed(feed, got == -ENODATA ? 0 : (int)got, NULL);
            break;
        }
        if (!send_packet(feed, STREAM_LINES, lines, (size_t)got))
            break;
    }
    return any;
}

/* Returns whether it did something. */
static bool pump(struct feed *feed)
{
    bool any = false;
    if (feed->has_hangup)
        return false;
    bool has_room = send_kept(feed);
    if (feed->has_hangup || feed->has_ended)
        return false;
    /* Whoever has the lock adds to it what was loaded, and waits perhaps for its process. */
    if (pthread_mutex_trylock(&feed->lock) != 0)
        return false;
    if (!has_room)
        probe_watch_wait(feed->watch, 0); /* it lets go of an image that has gone, unread or not */
    else if (settle(feed))
        any = move_lines(feed);
    pthread_mutex_unlock(&feed->lock);
    return any;
}

/* ---- all feeds ------------------------------------------------------------------------ */

/* Is it over, and does nobody look into it any more? */
static bool is_over(const struct feed *feed)
{
    return feed->users == 0 && (feed->has_hangup || (feed->has_ended && !feed->packet));
}

/* Leaves it to the looker to be freed: detaching takes its time. */
static void bury(struct feeds *feeds, struct feed *feed)
{
    probe_watch_release(feed->watch);
    epoll_ctl(feeds->events, EPOLL_CTL_DEL, feed->socket, NULL);
    epoll_ctl(feeds->events, EPOLL_CTL_DEL, feed->attacher, NULL);
    /* After this the server sees the end. */
    shutdown(feed->socket, SHUT_RDWR);
    DL_DELETE(feeds->list, feed);
    DL_APPEND(feeds->dead, feed);
    pthread_cond_signal(&feeds->looked);
}

/* How long to wait for the next look. */
static int pump_all(struct feeds *feeds, int idle)
{
    bool any = false;
    struct feed *feed = NULL;
    struct feed *next = NULL;
    DL_FOREACH_SAFE(feeds->list, feed, next)
    {
        any |= pump(feed);
        if (is_over(feed))
            bury(feeds, feed);
    }
    if (!feeds->list)
        return -1;
    if (any || idle < 0)
        return IDLE_FIRST_MS;
    return idle * 2 < IDLE_LAST_MS ? idle * 2 : IDLE_LAST_MS;
}

void *feed_pump(void *data)
{
    struct feeds *feeds = data;
    struct epoll_event events[EVENTS_AT_ONCE];
    int idle = IDLE_FIRST_MS;
    for (;;) {
        int count = epoll_wait(feeds->events, events, EVENTS_AT_ONCE, idle);
        pthread_mutex_lock(&feeds->lock);
        for (int i = 0; i < count; i++) {
            struct feed *feed = events[i].data.ptr;
            if (feed && (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
                feed->has_hangup = true;
        }
        idle = pump_all(feeds, idle);
        pthread_mutex_unlock(&feeds->lock);
    }
    return NULL;
}
