/* SPDX-License-Identifier: MIT */
#include "server/lent-find.h"

#include "shared/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* So many threads make one caller's, and all callers' together; they need little memory. */
enum { THREADS_EACH = 4, THREADS_MAX = 32, STACK_SIZE = 256 << 10 };

/* More than the calls of one FIND take. */
#define END_TIME (4 * CLOCK_SECOND)

static atomic_uint thread_count;

/* Shared by the threads and by who waits for them; the last one frees it. */
struct lent_work {
    struct router *router;
    struct timespec end;
    size_t count;
    pthread_mutex_t lock;
    pthread_cond_t done;
    /* Guarded by lock: */
    size_t next, answered;
    unsigned int users;
    struct lent_find finds[];
};

static void put_work(struct lent_work *work)
{
    pthread_mutex_lock(&work->lock);
    bool is_last = --work->users == 0;
    pthread_mutex_unlock(&work->lock);
    if (!is_last)
        return;
    pthread_cond_destroy(&work->done);
    pthread_mutex_destroy(&work->lock);
    free(work);
}

static int find_with_image(struct router *router, const struct lent_find *find,
                           struct probe_image_id *id)
{
    struct call call = CALL_INIT;
    call.request.operation = OPERATION_FIND;
    call.request.pid = find->pid;
    call.request.any_image = true;
    call.request.lent = true;
    call.request.listed = find->listed;
    int status = router_call(router, &find->route, &call);
    free(call.out);
    *id = call.reply.id;
    return status;
}

static void *make_finds(void *data)
{
    struct lent_work *work = data;
    pthread_mutex_lock(&work->lock);
    while (work->next < work->count && !clock_is_past(&work->end)) {
        struct lent_find find = work->finds[work->next];
        struct lent_find *result = &work->finds[work->next++];
        pthread_mutex_unlock(&work->lock);
        find.status = find_with_image(work->router, &find, &find.id);
        pthread_mutex_lock(&work->lock);
        *result = find;
        work->answered++;
        pthread_cond_signal(&work->done);
    }
    pthread_mutex_unlock(&work->lock);
    put_work(work);
    atomic_fetch_sub(&thread_count, 1);
    return NULL;
}

static bool start_thread(struct lent_work *work)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (atomic_fetch_add(&thread_count, 1) >= THREADS_MAX) {
        atomic_fetch_sub(&thread_count, 1);
        return false;
    }
    pthread_mutex_lock(&work->lock);
    work->users++;
    pthread_mutex_unlock(&work->lock);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    bool started = pthread_create(&thread, &attributes, make_finds, work) == 0;
    pthread_attr_destroy(&attributes);
    if (!started) {
        pthread_mutex_lock(&work->lock);
        work->users--; /* not the last: who started it is there */
        pthread_mutex_unlock(&work->lock);
        atomic_fetch_sub(&thread_count, 1);
    }
    return started;
}

static struct lent_work *work_new(struct router *router, const struct lent_find *finds,
                                  size_t count, const struct timespec *end)
{
    struct lent_work *work = calloc(1, sizeof(*work) + count * sizeof(*finds));
    if (!work)
        return NULL;
    work->router = router;
    work->end = *end;
    work->count = count;
    work->users = 1;
    memcpy(work->finds, finds, count * sizeof(*finds));
    for (size_t i = 0; i < count; i++)
        work->finds[i].status = -EINPROGRESS;
    pthread_mutex_init(&work->lock, NULL);
    pthread_cond_init(&work->done, NULL);
    return work;
}

int lent_finds_make(struct router *router, struct lent_find *finds, size_t count,
                    const struct timespec *end)
{
    struct lent_work *work = count > 0 ? work_new(router, finds, count, end) : NULL;
    unsigned int started = 0;
    if (!work)
        return count > 0 ? -ENOMEM : 0;
    while (started < THREADS_EACH && started < count && start_thread(work))
        started++;
    pthread_mutex_lock(&work->lock);
    int status = started > 0 ? 0 : EAGAIN;
    while (work->answered < count && status == 0)
        status = pthread_cond_clockwait(&work->done, &work->lock, CLOCK_MONOTONIC, end);
    memcpy(finds, work->finds, count * sizeof(*finds));
    pthread_mutex_unlock(&work->lock);
    put_work(work);
    return 0;
}

bool lent_finds_end(void)
{
    const struct timespec pause = {.tv_nsec = CLOCK_MILLISECOND};
    const struct timespec end = clock_after(END_TIME);
    while (atomic_load(&thread_count) > 0 && !clock_is_past(&end))
        nanosleep(&pause, NULL);
    return atomic_load(&thread_count) == 0;
}
