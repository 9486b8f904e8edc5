/* SPDX-License-Identifier: MIT */
/*
 * One thread at a time waits for a request; before it serves it, it lets the next thread wait, and
 * starts one where none is left. So there are as many threads as requests under way, and one.
 */
#include "loop.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Idle threads beyond the first number end; no more than the second serve at the same time. */
enum { IDLE_MAX = 16, THREADS_MAX = 512, END_SECONDS = 3 };

struct loop {
    struct fuse_session *session;
    struct waiting *waiting;
    int signals;               /* a signalfd */
    pthread_mutex_t receiving; /* held while a request is received */
    pthread_mutex_t lock;      /* guards what follows */
    pthread_cond_t ended;
    unsigned int threads, idle;
    int status; /* of the first thread that failed to receive */
};

static void set_of_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

int loop_block_signals(void)
{
    sigset_t set;
    set_of_signals(&set);
    signal(SIGPIPE, SIG_IGN);
    return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/*
 * Looks into a request that was just received; called while no other can be. Returns the slot in
 * which its caller waits.
 */
static int note_request(struct loop *loop, const struct fuse_buf *buffer)
{
    struct fuse_in_header header;
    struct fuse_release_in release;
    if (buffer->size < sizeof(header))
        return waiting_begin(loop->waiting, 0);
    memcpy(&header, buffer->mem, sizeof(header));
    if (header.opcode == FUSE_RELEASE && buffer->size >= sizeof(header) + sizeof(release)) {
        memcpy(&release, (const char *)buffer->mem + sizeof(header), sizeof(release));
        if (release.fh)
            file_expect_close((struct file *)(uintptr_t)release.fh);
    }
    return waiting_begin(loop->waiting, (pid_t)header.pid);
}

/* Waits for one request. Returns its length, 0 at the end, or an error. */
static int receive(struct loop *loop, struct fuse_buf *buffer, int *slot)
{
    int result = -EAGAIN;
    pthread_mutex_lock(&loop->receiving);
    while ((result == -EAGAIN || result == -EINTR) && !fuse_session_exited(loop->session)) {
        struct pollfd pollers[] = {
            {.fd = fuse_session_fd(loop->session), .events = POLLIN},
            {.fd = loop->signals, .events = POLLIN},
        };
        if (poll(pollers, 2, -1) < 0)
            continue;
        if (pollers[1].revents)
            fuse_session_exit(loop->session);
        else
            result = fuse_session_receive_buf(loop->session, buffer);
    }
    if (fuse_session_exited(loop->session))
        result = 0;
    if (result > 0)
        *slot = note_request(loop, buffer);
    pthread_mutex_unlock(&loop->receiving);
    return result;
}

static void *serve_requests(void *data);

/* Called with the lock held. */
static int start_thread(struct loop *loop)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int status = -pthread_create(&thread, &attributes, serve_requests, loop);
    pthread_attr_destroy(&attributes);
    if (status == 0) {
        loop->threads++;
        loop->idle++;
    }
    return status;
}

/* This thread serves now: somebody must wait in its place. */
static void begin_request(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    if (--loop->idle == 0 && loop->threads < THREADS_MAX && start_thread(loop) < 0)
        log_message(PROBE_LOG_WARNING, "no more threads: requests wait for each other");
    pthread_mutex_unlock(&loop->lock);
}

/* Returns whether the thread is to stay. */
static bool end_request(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    bool stay = loop->idle < IDLE_MAX;
    loop->idle += stay;
    pthread_mutex_unlock(&loop->lock);
    return stay;
}

static void end_thread(struct loop *loop, bool was_idle, int status)
{
    pthread_mutex_lock(&loop->lock);
    loop->threads--;
    loop->idle -= was_idle;
    if (loop->status == 0)
        loop->status = status;
    pthread_cond_signal(&loop->ended);
    pthread_mutex_unlock(&loop->lock);
}

static void *serve_requests(void *data)
{
    struct loop *loop = data;
    struct fuse_buf buffer = {.mem = NULL};
    bool stay = true;
    int result = 0;
    int slot = 0;
    while (stay && (result = receive(loop, &buffer, &slot)) > 0) {
        begin_request(loop);
        fuse_session_process_buf(loop->session, &buffer);
        waiting_end(loop->waiting, slot);
        stay = end_request(loop);
    }
    if (result < 0)
        fuse_session_exit(loop->session);
    free(buffer.mem);
    end_thread(loop, stay, result < 0 ? result : 0);
    return NULL;
}

static int prepare(struct loop *loop)
{
    sigset_t set;
    int fd = fuse_session_fd(loop->session);
    set_of_signals(&set);
    loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    /* A request may be taken back between poll and read: reading must not wait for another. */
    if (loop->signals < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

/* Waits until all threads have ended; only so long once they have been told to. */
static int wait_for_end(struct loop *loop)
{
    int status = 0;
    while (loop->threads > 0 && status == 0) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += END_SECONDS;
        if (fuse_session_exited(loop->session))
            status = pthread_cond_timedwait(&loop->ended, &loop->lock, &until);
        else
            pthread_cond_wait(&loop->ended, &loop->lock);
    }
    return loop->threads > 0 ? -ETIMEDOUT : loop->status;
}

int loop_serve(struct fuse_session *session, struct waiting *waiting)
{
    /* Not on the stack: a thread that hangs in a target may outlive this call. */
    struct loop *loop = calloc(1, sizeof(*loop));
    pthread_condattr_t attributes;
    if (!loop)
        return -ENOMEM;
    loop->session = session;
    loop->waiting = waiting;
    loop->signals = -1;
    pthread_mutex_init(&loop->receiving, NULL);
    pthread_mutex_init(&loop->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&loop->ended, &attributes);
    pthread_condattr_destroy(&attributes);

    int status = prepare(loop);
    pthread_mutex_lock(&loop->lock);
    if (status == 0)
        status = start_thread(loop);
    if (status == 0)
        status = wait_for_end(loop);
    pthread_mutex_unlock(&loop->lock);
    if (status == -ETIMEDOUT)
        return status;
    if (loop->signals >= 0)
        close(loop->signals);
    pthread_cond_destroy(&loop->ended);
    pthread_mutex_destroy(&loop->lock);
    pthread_mutex_destroy(&loop->receiving);
    free(loop);
    return status;
}
