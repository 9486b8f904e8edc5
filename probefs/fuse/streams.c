/* SPDX-License-Identifier: MIT */
/*
 * Locks: a stream's, then the table's. A parked read is in the table and in its stream's queue; the
 * table's lock guards both. libfuse calls the function for an interrupt with a lock of the request,
 * which an answer frees: so that function only marks it, and the thread answers, with the stream's
 * lock held, as whoever parks a read holds it until libfuse knows the function.
 *
 * The thread alone takes reads out of queues and frees streams, so what it looks at stays.
 */
#include "fuse/streams.h"

#include "common/waiting.h"
#include "fuse/answer.h"
#include "server/stream-input.h"
#include "server/watching.h"
#include "service/stream-packet.h"
#include "shared/array.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

enum {
    PARKED_MAX = 64,      /* of one stream */
    NAMES_MAX = 64 << 10, /* bytes of names of probes */
    EVENTS_AT_ONCE = 64,
};

/* A read that waits. */
struct parked {
    fuse_req_t request;
    struct stream *stream;
    size_t size;
    int slot; /* its thread's, in the table of those who wait */
    bool interrupted;
    struct parked *prev, *next;    /* in its stream's queue */
    struct parked *before, *after; /* in the table */
};

struct stream {
    struct server *server;
    struct file *file;
    uint64_t number;      /* of its node */
    pthread_mutex_t lock; /* guards what follows */
    bool has_begun;
    struct stream_feed feed;
    struct stream_input input;
    char *names; /* what was written before the first read */
    size_t names_length, names_room;
    size_t room;                    /* for firings */
    struct fuse_pollhandle *handle; /* the latest of who polls, kept until the close */
    bool is_closed;

    struct parked *queue; /* guarded by the table's lock, and so is the rest */
    unsigned int parked;
    struct stream *next_closed;
};

struct streams {
    struct server *server;
    pthread_mutex_t lock; /* guards what follows */
    struct parked *table;
    struct stream *closed;    /* to be freed */
    unsigned int interrupted; /* parked reads that were */
    bool ending;
    pthread_t thread;
    int events, wake; /* an epoll, and an eventfd in it */
    atomic_uint open;
};

/* ---- answering --------------------------------------------------------------------------- */

static void answer_end(struct stream *stream, fuse_req_t request)
{
    if (stream->input.status == 0)
        fuse_reply_buf(request, NULL, 0);
    else
        answer_open_failure(request, stream->file->inode, stream->number, "read",
                            stream->input.status, &stream->input.sentence);
}

/* Answers a read of SIZE if there is something. Returns whether it did. */
static bool answer_read(struct stream *stream, fuse_req_t request, size_t size)
{
    if (!stream_input_is_ready(&stream->input))
        return false;
    char *bytes = malloc(size);
    size_t used = bytes ? stream_input_take(&stream->input, bytes, size) : 0;
    if (!bytes)
        answer_error(request, NULL, -ENOMEM);
    else if (used > 0 || !stream->input.has_ended)
        fuse_reply_buf(request, bytes, used);
    else
        answer_end(stream, request);
    free(bytes);
    return true;
}

/*
 * The thread is to look at STREAM when something comes: once, or each time where somebody polls.
 * For whoever waits for edges (EPOLLET) the kernel polls once, and wants to hear of all arrivals.
 */
static void await(struct stream *stream)
{
    struct epoll_event event = {
        .events = EPOLLIN | (stream->handle ? EPOLLET : EPOLLONESHOT),
        .data.ptr = stream,
    };
    epoll_ctl(stream->server->streams->events, EPOLL_CTL_MOD, stream->feed.socket, &event);
}

static void wake_thread(const struct streams *streams)
{
    eventfd_write(streams->wake, 1);
}

/* ---- parking ----------------------------------------------------------------------------- */

/* Called with the table's lock held. */
static void unpark(struct streams *streams, struct parked *parked)
{
    streams->interrupted -= parked->interrupted;
    parked->stream->parked--;
    DL_DELETE(parked->stream->queue, parked);
    DL_DELETE2(streams->table, parked, before, after);
}

static void parked_free(struct streams *streams, struct parked *parked)
{
    waiting_end(streams->server->waiting, parked->slot);
    free(parked);
}

/* libfuse says that whoever has sent REQUEST does not wait any more. */
static void interrupt(fuse_req_t request, void *data)
{
    struct streams *streams = data;
    struct parked *parked = NULL;
    pthread_mutex_lock(&streams->lock);
    DL_FOREACH2(streams->table, parked, after)
    {
        if (parked->request != request || parked->interrupted)
            continue;
        parked->interrupted = true;
        streams->interrupted++;
        wake_thread(streams);
        break;
    }
    pthread_mutex_unlock(&streams->lock);
}

/* Called with the stream's lock held. */
static int park(struct stream *stream, fuse_req_t request, size_t size)
{
    struct streams *streams = stream->server->streams;
    struct parked *parked = calloc(1, sizeof(*parked));
    if (!parked)
        return -ENOMEM;
    *parked = (struct parked){.request = request, .stream = stream, .size = size};
    parked->slot = waiting_begin(stream->server->waiting, fuse_req_ctx(request)->pid);
    pthread_mutex_lock(&streams->lock);
    bool is_refused = streams->ending || stream->parked >= PARKED_MAX;
    if (!is_refused) {
        stream->parked++;
        DL_APPEND(stream->queue, parked);
        DL_APPEND2(streams->table, parked, before, after);
    }
    pthread_mutex_unlock(&streams->lock);
    if (is_refused) {
        parked_free(streams, parked);
        return -EAGAIN;
    }
    fuse_req_interrupt_func(request, interrupt, streams);
    await(stream);
    return 0;
}

/* ---- the thread -------------------------------------------------------------------------- */

/* The first read of STREAM's queue, or NULL. */
static struct parked *first_parked(struct stream *stream)
{
    struct streams *streams = stream->server->streams;
    pthread_mutex_lock(&streams->lock);
    struct parked *parked = stream->queue;
    pthread_mutex_unlock(&streams->lock);
    return parked; /* NOLINT: who frees one takes it out before */
}

static void take_out(struct streams *streams, struct parked *parked)
{
    pthread_mutex_lock(&streams->lock);
    unpark(streams, parked);
    pthread_mutex_unlock(&streams->lock);
}

/* Answers the reads that wait for what has come, and who polls. */
static void serve_stream(struct stream *stream)
{
    struct streams *streams = stream->server->streams;
    struct parked *parked = NULL;
    pthread_mutex_lock(&stream->lock);
    while (!stream->is_closed && (parked = first_parked(stream)) &&
           stream_input_is_ready(&stream->input)) {
        fuse_req_t request = parked->request;
        size_t size = parked->size;
        take_out(streams, parked);
        parked_free(streams, parked);
        if (!answer_read(stream, request, size))
            answer_error(request, NULL, -EAGAIN);
    }
    if (!stream->is_closed && stream->handle && stream_input_is_ready(&stream->input))
        fuse_lowlevel_notify_poll(stream->handle);
    if (!stream->is_closed && parked)
        await(stream);
    pthread_mutex_unlock(&stream->lock);
}

static struct parked *find_interrupted(struct streams *streams, bool all)
{
    struct parked *parked = NULL;
    pthread_mutex_lock(&streams->lock);
    if (streams->interrupted > 0 || all) {
        DL_FOREACH2(streams->table, parked, after)
        {
            if (parked->interrupted || all)
                break;
        }
    }
    pthread_mutex_unlock(&streams->lock);
    return parked;
}

/* Answers reads that were interrupted; or ALL. */
static void answer_interrupted(struct streams *streams, bool all)
{
    struct parked *parked = NULL;
    while ((parked = find_interrupted(streams, all))) {
        struct stream *stream = parked->stream;
        pthread_mutex_lock(&stream->lock);
        take_out(streams, parked);
        fuse_reply_err(parked->request, EINTR);
        parked_free(streams, parked);
        pthread_mutex_unlock(&stream->lock);
    }
}

static void stream_free(struct stream *stream)
{
    watching_end(&stream->feed);
    pthread_mutex_destroy(&stream->lock);
    stream_input_done(&stream->input);
    free(stream->names);
    free(stream);
}

static void free_closed(struct streams *streams)
{
    pthread_mutex_lock(&streams->lock);
    struct stream *closed = streams->closed;
    streams->closed = NULL;
    pthread_mutex_unlock(&streams->lock);
    while (closed) {
        struct stream *next = closed->next_closed;
        stream_free(closed);
        closed = next;
    }
}

static bool is_ending(struct streams *streams)
{
    pthread_mutex_lock(&streams->lock);
    bool ending = streams->ending;
    pthread_mutex_unlock(&streams->lock);
    return ending;
}

static void *serve_streams(void *data)
{
    struct streams *streams = data;
    struct epoll_event events[EVENTS_AT_ONCE];
    while (!is_ending(streams)) {
        int count = epoll_wait(streams->events, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < count; i++) {
            eventfd_t unused;
            if (events[i].data.ptr)
                serve_stream(events[i].data.ptr);
            else
                eventfd_read(streams->wake, &unused);
        }
        answer_interrupted(streams, false);
        free_closed(streams);
    }
    answer_interrupted(streams, true);
    return NULL;
}

int streams_new(struct server *server, struct streams **result)
{
    struct streams *streams = calloc(1, sizeof(*streams));
    if (!streams)
        return -ENOMEM;
    streams->server = server;
    pthread_mutex_init(&streams->lock, NULL);
    streams->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    streams->events = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    int status = streams->wake < 0 || streams->events < 0 ||
                         epoll_ctl(streams->events, EPOLL_CTL_ADD, streams->wake, &event) < 0
                     ? -errno
                     : 0;
    if (status == 0)
        status = -pthread_create(&streams->thread, NULL, serve_streams, streams);
    if (status == 0) {
        *result = streams;
        return 0;
    }
    if (streams->wake >= 0)
        close(streams->wake);
    if (streams->events >= 0)
        close(streams->events);
    free(streams);
    return status;
}

void streams_end(struct streams *streams)
{
    pthread_mutex_lock(&streams->lock);
    bool ended = streams->ending;
    streams->ending = true;
    pthread_mutex_unlock(&streams->lock);
    if (ended)
        return;
    wake_thread(streams);
    pthread_join(streams->thread, NULL);
}

void streams_free(struct streams *streams)
{
    if (!streams)
        return;
    streams_end(streams);
    free_closed(streams);
    close(streams->wake);
    close(streams->events);
    pthread_mutex_destroy(&streams->lock);
    free(streams);
}

/* ---- streams ----------------------------------------------------------------------------- */

int stream_open(struct server *server, struct file *file, struct probe_error *error)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return -ENOMEM;
    *stream = (struct stream){
        .server = server,
        .file = file,
        .feed = STREAM_FEED_NONE,
        .room = watching_room(file->user, atomic_load(&server->streams->open)),
    };
    int status = budget_take(&server->budgets, file->user, BUDGET_MEMORY,
                             stream->room + STREAM_PACKET_MAX, error);
    if (status < 0) {
        free(stream);
        return status;
    }
    file->counted += stream->room + STREAM_PACKET_MAX;
    pthread_mutex_init(&stream->lock, NULL);
    atomic_fetch_add(&server->streams->open, 1);
    file->stream = stream;
    return 0;
}

/* The thread may be about to look at it: so that one frees it. */
void stream_close(struct server *server, struct file *file)
{
    struct streams *streams = server->streams;
    struct stream *stream = file->stream;
    file->stream = NULL;
    pthread_mutex_lock(&stream->lock);
    stream->is_closed = true;
    if (stream->feed.socket >= 0)
        epoll_ctl(streams->events, EPOLL_CTL_DEL, stream->feed.socket, NULL);
    watching_end(&stream->feed);
    if (stream->handle)
        fuse_pollhandle_destroy(stream->handle);
    stream->handle = NULL;
    pthread_mutex_unlock(&stream->lock);
    atomic_fetch_sub(&streams->open, 1);
    pthread_mutex_lock(&streams->lock);
    stream->next_closed = streams->closed;
    streams->closed = stream;
    pthread_mutex_unlock(&streams->lock);
    wake_thread(streams);
}

/* The first read or poll, by READER. Called with the stream's lock held. */
static int begin(struct stream *stream, pid_t reader, struct probe_error *error)
{
    const struct stream_wish wish = {stream->names, stream->names_length, stream->room, reader};
    /* Once: an end that nobody waits for is told as well. */
    struct epoll_event event = {.events = EPOLLONESHOT, .data.ptr = stream};
    if (stream->has_begun)
        return 0;
    int status = watching_begin(stream->server, stream->file, &wish, &stream->feed, error);
    if (status < 0)
        return status;
    if (epoll_ctl(stream->server->streams->events, EPOLL_CTL_ADD, stream->feed.socket, &event) <
        0) {
        status = -errno;
        watching_end(&stream->feed);
        return status;
    }
    stream_input_init(&stream->input, stream->feed.socket, stream->file->inode->target->pid);
    stream->has_begun = true;
    if (stream->handle)
        await(stream);
    return 0;
}

void stream_read(fuse_req_t request, struct file *file, uint64_t number, size_t size,
                 bool nonblocking)
{
    struct stream *stream = file->stream;
    struct probe_error error = {.text = ""};
    pthread_mutex_lock(&stream->lock);
    stream->number = number;
    int status = begin(stream, fuse_req_ctx(request)->pid, &error);
    if (status < 0) {
        answer_open_failure(request, file->inode, number, "read", status, &error);
    } else if (first_parked(stream) || !answer_read(stream, request, size)) {
        status = nonblocking ? -EAGAIN : park(stream, request, size);
        if (status < 0)
            answer_error(request, NULL, status);
    }
    pthread_mutex_unlock(&stream->lock);
}

/* Keeps HANDLE, the way to whoever polls, in place of the one before. */
static void keep_handle(struct stream *stream, struct fuse_pollhandle *handle)
{
    bool is_first = !stream->handle;
    if (!is_first)
        fuse_pollhandle_destroy(stream->handle);
    stream->handle = handle;
    if (is_first && stream->has_begun)
        await(stream);
}

void stream_poll(fuse_req_t request, struct file *file, struct fuse_pollhandle *handle)
{
    struct stream *stream = file->stream;
    struct probe_error unused;
    unsigned int ready = 0;
    pthread_mutex_lock(&stream->lock);
    if (handle)
        keep_handle(stream, handle);
    if (begin(stream, fuse_req_ctx(request)->pid, &unused) < 0) /* a read says why */
        ready = POLLIN | POLLRDNORM | POLLERR;
    else if (stream_input_is_ready(&stream->input))
        ready = POLLIN | POLLRDNORM;
    fuse_reply_poll(request, ready);
    pthread_mutex_unlock(&stream->lock);
}

/* Called with the stream's lock held. */
static int add_names(struct stream *stream, const char *names, size_t length,
                     struct probe_error *error)
{
    if (stream->file->inode->probe) {
        snprintf(error->text, sizeof(error->text),
                 "the stream of a probe is of that probe alone: names are for the process's");
        return -EINVAL;
    }
    if (stream->has_begun) {
        snprintf(error->text, sizeof(error->text),
                 "probes are chosen before the stream is read, and this one is");
        return -EBUSY;
    }
    if (stream->names_length + length + 1 > NAMES_MAX) {
        snprintf(error->text, sizeof(error->text), "no more than %d bytes of names are taken",
                 NAMES_MAX);
        return -EINVAL;
    }
    int status = watching_check_names(stream->server, stream->file, names, length, error);
    if (status == 0 &&
        ARRAY_RESERVE(stream->names, stream->names_room, stream->names_length + length + 1) < 0)
        status = -ENOMEM;
    if (status < 0)
        return status;
    memcpy(stream->names + stream->names_length, names, length);
    stream->names_length += length;
    stream->names[stream->names_length++] = '\n';
    return 0;
}

int stream_write(struct file *file, const char *names, size_t length, struct probe_error *error)
{
    struct stream *stream = file->stream;
    pthread_mutex_lock(&stream->lock);
    int status = add_names(stream, names, length, error);
    pthread_mutex_unlock(&stream->lock);
    return status;
}
